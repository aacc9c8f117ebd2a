"""When a device has too little memory for a batch: how that is known, said and helped."""

from dataclasses import replace

from core.config import RunConfig

_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def ran_out(error: BaseException) -> bool:
    """Whether memory was missing, of the device or of the machine; `torch.OutOfMemoryError` says so in words."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in text for sign in _SIGNS)


def at_once(config: RunConfig) -> int:
    """How many pictures of a batch are on the device at the same time."""
    return config.train.batch_size // config.train.accumulate


def narrower(config: RunConfig) -> RunConfig | None:
    """The same batch in at least twice as many parts, so that it learns the same; None when it is one picture already.

    Only batch normalisation sees a difference: its statistics are of a part.
    """
    train = config.train
    wanted = 2 * train.accumulate
    parts = next((n for n in range(wanted, train.batch_size + 1) if train.batch_size % n == 0), None)
    return None if parts is None else replace(config, train=replace(train, accumulate=parts))


def shortage(config: RunConfig, device: str) -> str:
    """`Ran out of memory at batch 16 on cuda:0; try 8.`"""
    smaller = narrower(config)
    advice = f"try {at_once(smaller)}." if smaller else "try a smaller crop or a smaller student."
    return f"Ran out of memory at batch {at_once(config)} on {device}; {advice}"
