"""What the field of matting shares: composition, foregrounds, trimaps, tiles, relations, metrics."""
