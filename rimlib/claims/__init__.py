"""What holds here of what the paper prints, and of what our own pages state.

`printed` has the paper's numbers; a number's state is computed from records (`states`), never typed. `evidence` has
the records, and why one may no longer speak; `tags` holds the pages to their records, and `page` writes
`book/claims.md`. The command is `rim claims`.
"""
