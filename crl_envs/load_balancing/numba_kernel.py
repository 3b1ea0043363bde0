"""The functions of `scalar_kernel` for Numba: `advance` compiled, all others to be called from compiled code."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

from numba import njit
from numba.extending import overload, register_jitable

from crl_envs.core import numba_stream  # noqa: F401  (what `lane_word` and `stream_key` are in compiled code)
from crl_envs.core.returns import take_mean
from crl_envs.load_balancing import rules, scalar_kernel

# Called from compiled code only: wrappers for calls from Python would take longer to compile than the functions.
# Nothing is allocated: without _nrt=False, counting references to the state's arrays takes most of the time.
INNER = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
for function in (*scalar_kernel.JITABLE, take_mean):
    register_jitable(**INNER)(function)


@overload(rules.all_below, jit_options=INNER)
def _all_below(limit, array, columns):
    def all_below(limit, array, columns):
        for i in range(array.shape[0]):
            if array[i, columns] >= limit:
                return False
        return True

    return all_below


advance = njit(cache=True, nogil=True, _nrt=False)(scalar_kernel.advance)
