"""A product of small matrices for the inside of a compiled loop, in the processor's own vectors.

SciPy's product of matrices, which a compiled loop could call, warns that it may hang when torch's threads do so, and one in plain loops
takes twice as long. This one is written for LLVM, the compiler behind Numba: the sums stay in the processor's registers from the first
step to the last. It exists as machine code only, so with NUMBA_DISABLE_JIT nothing that calls it runs.
"""

from __future__ import annotations

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils, codegen, config
from numba.extending import intrinsic


def vectors() -> tuple[int, int]:
    """How many float32 a vector of the processor holds, and how many rows, of two vectors of sums each, fit in its registers.

    Of the processor that Numba makes code for, which may be told to make it for another than this one.
    """
    features = codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    if "+avx512f" in features.split(","):
        return 16, 12  # 24 of its 32 registers
    if platform.machine().lower() in ("arm64", "aarch64"):
        return 4, 12
    return (8 if "+avx" in features.split(",") else 4), 6  # 12 of 16


LANES, ROWS = vectors()
COLUMNS = 2 * LANES


@intrinsic
def multiply(typing, left, right, out, first):
    """`multiply(left, right, out, first)`: rows first..first+ROWS of left (T, n) @ right (n, COLUMNS) to the first COLUMNS columns of `out`.

    float32, the columns of `right` and `out` next to each other. Nothing looks whether `left` and `out` have so many rows.
    """
    if any(array.dtype != types.float32 for array in (left, right, out)) or right.layout != "C" or not out.mutable:
        return None  # Numba then says that these cannot be multiplied

    def make(context, builder, signature, arguments):
        number, word, byte = ir.FloatType(), ir.IntType(64), ir.IntType(8)
        vector, indices = ir.VectorType(number, LANES), ir.VectorType(ir.IntType(32), LANES)
        kinds, first = signature.args[:3], arguments[3]
        left, right, out = (context.make_array(kind)(context, builder, value) for kind, value in zip(kinds, arguments))
        steps = cgutils.unpack_tuple(builder, right.shape)[0]

        def address(array, row, column, kind):
            strides = cgutils.unpack_tuple(builder, array.strides)
            place = builder.add(builder.mul(row, strides[0]), builder.mul(column, strides[1]))
            return builder.bitcast(
                builder.gep(builder.bitcast(array.data, byte.as_pointer()), [place]), kind.as_pointer()
            )

        def load(*where):
            return builder.load(address(*where), align=4)

        def spread(value):
            lanes = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(lanes, lanes, ir.Constant(indices, [0] * LANES))

        rows = [builder.add(first, word(row)) for row in range(ROWS)]
        halves = [word(0), word(LANES)]
        # places in memory, of which LLVM makes registers
        sums = {
            (row, half): cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES))
            for row in rows
            for half in halves
        }
        with cgutils.for_range(builder, steps, intp=word) as loop:
            weights = {half: load(right, loop.index, half, vector) for half in halves}
            for row in rows:
                value = spread(load(left, row, loop.index, number))
                for half in halves:
                    product = builder.fmul(value, weights[half], flags=("contract",))
                    builder.store(
                        builder.fadd(builder.load(sums[row, half]), product, flags=("contract",)), sums[row, half]
                    )
        for (row, half), total in sums.items():
            builder.store(builder.load(total), address(out, row, half, vector), align=4)
        return context.get_dummy_value()

    return types.void(left, right, out, first), make
