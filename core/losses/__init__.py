"""Pure losses on tensors and floats: labels (`supervised`), distillation (a file each), their sum (`objective`)."""

from typing import Protocol

from torch import Tensor

from core.losses.boundary import boundary_soft_target_kl
from core.losses.channel_wise import channel_wise_kl
from core.losses.correlation import correlation
from core.losses.soft_targets import soft_target_kl
from core.losses.standardised import standardised_kl


class LogitLoss(Protocol):
    """Logits (B, C, H, W) of both and a mask (B, H, W) → scalar."""

    def __call__(
        self, *, student: Tensor, teacher: Tensor, temperature: float, valid: Tensor | None = None
    ) -> Tensor: ...


LOGIT_LOSSES: dict[str, LogitLoss] = {
    "soft_targets": soft_target_kl,
    "standardised": standardised_kl,
    "channel_wise": channel_wise_kl,
    "correlation": correlation,
    "boundary": boundary_soft_target_kl,
}
"""Losses on features are in `core.losses.features`: some of them learn."""
