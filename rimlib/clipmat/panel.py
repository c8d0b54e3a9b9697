"""A product of small matrices for the inside of a compiled loop, in the processor's own vectors.

A compiled loop cannot call a library's product of matrices, and one in plain loops takes twice as long. This one is written for
LLVM, the compiler behind Numba: the sums stay in the processor's registers from the first step to the last.
"""

from __future__ import annotations

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def vectors() -> tuple[int, int]:
    """Of this processor: how many float32 one vector holds, and how many rows of two such vectors of sums its registers."""
    has = binding.get_host_cpu_features()
    if has.get("avx512f"):
        return 16, 12  # 24 of its 32 registers
    return (8, 6) if has.get("avx") else (4, 12 if has.get("neon") else 6)


LANES, ROWS = vectors()
COLUMNS = 2 * LANES


@intrinsic
def multiply(typing, left, right, out, first):
    """`multiply(left, right, out, first)`: ROWS rows, from `first` on, and COLUMNS columns of left (T, n) @ right (n, COLUMNS) to `out`.
    Nothing looks whether so many rows are there."""
    def make(context, builder, signature, arguments):
        number, word, byte = ir.FloatType(), ir.IntType(64), ir.IntType(8)
        vector, indices = ir.VectorType(number, LANES), ir.VectorType(ir.IntType(32), LANES)
        kinds, first = signature.args[:3], arguments[3]
        left, right, out = (context.make_array(kind)(context, builder, value) for kind, value in zip(kinds, arguments))
        steps = cgutils.unpack_tuple(builder, right.shape)[0]

        def address(array, row, column, kind):
            strides = cgutils.unpack_tuple(builder, array.strides)
            place = builder.add(builder.mul(row, strides[0]), builder.mul(column, strides[1]))
            return builder.bitcast(builder.gep(builder.bitcast(array.data, byte.as_pointer()), [place]), kind.as_pointer())

        def load(*where):
            return builder.load(address(*where), align=4)

        def spread(value):
            lanes = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(lanes, lanes, ir.Constant(indices, [0] * LANES))

        rows = [builder.add(first, word(row)) for row in range(ROWS)]
        halves = [word(0), word(LANES)]
        # places in memory, of which LLVM makes registers
        sums = {(row, half): cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES)) for row in rows for half in halves}
        with cgutils.for_range(builder, steps, intp=word) as loop:
            weights = {half: load(right, loop.index, half, vector) for half in halves}
            for row in rows:
                value = spread(load(left, row, loop.index, number))
                for half in halves:
                    product = builder.fmul(value, weights[half], flags=("contract",))
                    builder.store(builder.fadd(builder.load(sums[row, half]), product, flags=("contract",)), sums[row, half])
        for (row, half), total in sums.items():
            builder.store(builder.load(total), address(out, row, half, vector), align=4)
        return context.get_dummy_value()

    return types.void(left, right, out, first), make
