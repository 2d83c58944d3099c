# Types of the library's options; written by `python -m lowrank._options`, compared by a test.

from collections.abc import Iterable
from typing import TypedDict

class SolveOptions(TypedDict, total=False):
    implicit: float | None
    loss_unseen: str | None
    rows: int | Iterable[int] | str | None
    model: str | None
    signature: tuple[int, int] | None
    depth: int | None
    layout: str | None
    shape: tuple[int, int] | None
    normalization: str
    storage: str | None
    method: str
    step_rule: str | None
    step_decay: float | None
    polyak_scale: float | None
    optimal_loss: float | None
    momentum: float | None
    polyak_every: int | None
    minibatches: int | None
    method_seed: int | None
    damping: float | Iterable[float] | str | None
    damping_factor: float | None
    memory: int | None
    dual_step: float | None
    metric: str | None
    adaptive: str | None
    directions: int | None
    radius: float | None
    search_rank: int | Iterable[int] | str | None
    step_size: float | Iterable[float] | str | None
    init_scale: float | Iterable[float] | str | None
    init_std: str
    init_scale_ratio: float | None
    init_preprocess: str
    seed: int | Iterable[int] | str | None
    loss: str
    ridge: float | Iterable[float] | str
    folds: int | None
    nonnegative: bool
    fixed_trace: float | None
    label_noise: float
    label_noise_until: int | None
    sharpness: float
    without_biases: bool
    backend: str
    precision: str
    variant: str | None
    retune: bool
    device_memory: str | None
    diagnose: bool
    confidence: bool
    max_iterations: int
    stop_relative_error: float | None
    stop_loss: float | None
    stop_residual: float | None
    stop_time: float | None
    stall_window: int
    observe: str
    holdout: float | None
    holdout_seed: int
    on_device_loss: str

class CompareOptions(TypedDict, total=False):
    rows: int | Iterable[int] | str | None
    model: str | None
    signature: tuple[int, int] | None
    depth: int | None
    layout: str | None
    shape: tuple[int, int] | None
    normalization: str
    storage: str | None
    search_rank: int | Iterable[int] | str | None
    init_scale: float | Iterable[float] | str | None
    init_std: str
    init_scale_ratio: float | None
    init_preprocess: str
    seed: int | Iterable[int] | str | None
    loss: str
    ridge: float | Iterable[float] | str
    label_noise: float
    label_noise_until: int | None
    sharpness: float
    backend: str
    precision: str
    variant: str | None
    retune: bool
    device_memory: str | None
    max_iterations: int
    stop_relative_error: float | None
    stop_loss: float | None
    stop_residual: float | None
    stop_time: float | None
    stall_window: int
    observe: str | None
    holdout: float | None
    holdout_seed: int

class SweepOptions(TypedDict, total=False):
    n2: int | Iterable[int] | str | None
    noise_std: float | Iterable[float] | str
    condition_number: float | Iterable[float] | str
    search_rank: int | Iterable[int] | str | None
    init_scale: float | Iterable[float] | str | None
    step_size: float | Iterable[float] | str | None
    ridge: float | Iterable[float] | str | None
    repetitions: int
    operator: str
    success: float
    vary_operator: bool
    seed: int
    batch: int
    model: str | None
    signature: tuple[int, int] | None
    depth: int | None
    method: str
    step_rule: str | None
    step_decay: float | None
    polyak_scale: float | None
    optimal_loss: float | None
    momentum: float | None
    polyak_every: int | None
    minibatches: int | None
    method_seed: int | None
    damping_factor: float | None
    memory: int | None
    dual_step: float | None
    metric: str | None
    adaptive: str | None
    directions: int | None
    radius: float | None
    label_noise: float
    label_noise_until: int | None
    sharpness: float
    backend: str
    precision: str
    max_iterations: int
    stall_window: int
