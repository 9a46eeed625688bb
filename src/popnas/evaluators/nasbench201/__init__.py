"""NAS-Bench-201 (Dong and Yang 2020; NATS-Bench topology space, Dong et al. 2021) behind candidates.

`architectures` numbers the 15,625 architectures; `mapping` says which of them a cell of blocks is, natively
and in the published, compatible way; `stored` holds their figures; `evaluator` is what the driver sees, once
for each mapping; `lookup` answers for one candidate. None imports torch.
"""

from popnas.evaluators.nasbench201.evaluator import CompatibleEvaluator, NativeEvaluator

__all__ = ["CompatibleEvaluator", "NativeEvaluator"]
