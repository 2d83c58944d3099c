from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__: str

class InvalidInput(ValueError): ...
class LowrankError(RuntimeError): ...

class Operator:
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def complex(self) -> bool: ...
    @property
    def model(self) -> str: ...
    @property
    def measurements(self) -> int: ...
    @property
    def normalization(self) -> float: ...
    @property
    def storage(self) -> str | None: ...
    @property
    def memory(self) -> list[tuple[str, str, int]]: ...
    @property
    def notices(self) -> list[str]: ...
    @property
    def observations(self) -> NDArray[np.float64] | None: ...
    def sensing_matrix(self, i: int) -> NDArray[np.float64]: ...
    def forward(self, left: np.ndarray, right: np.ndarray | None) -> NDArray[np.float64]: ...
    def adjoint_apply(self, residual: np.ndarray, applied: np.ndarray, transposed: bool) -> NDArray[np.float64]: ...

Ids = NDArray[np.int64] | list[str]
Biases = tuple[float, list[float], list[float]]

class Predictor:
    @staticmethod
    def open(path: str, trial: int) -> Predictor: ...
    @staticmethod
    def open_complex(path: str, trial: int) -> tuple[Predictor, Predictor] | None: ...
    @staticmethod
    def of(
        left: NDArray[np.float64],
        right: NDArray[np.float64] | None,
        positive: int,
        biases: Biases | None,
        labels: tuple[Ids, Ids] | None,
    ) -> Predictor: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def has_biases(self) -> bool: ...
    def factors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def biases(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]] | None: ...
    def labels(self) -> tuple[Ids, Ids]: ...
    def predict(
        self, rows: Ids, columns: Ids, clip: tuple[float, float] | None
    ) -> tuple[NDArray[np.float64], list[bool], list[bool]]: ...
    def top(
        self, rows: Ids, count: int, exclude: tuple[Ids, Ids] | None, clip: tuple[float, float] | None
    ) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]], list[bool]]: ...
    def fold_in(
        self,
        rows: NDArray[np.uint32],
        columns: NDArray[np.uint32],
        values: NDArray[np.float64],
        labels: tuple[Ids, Ids],
        axis: str,
        ridge: float | None,
    ) -> tuple[Predictor, int, float, float | None, int, int]: ...
    def save(self, path: str) -> None: ...

class Session:
    def __init__(
        self,
        operator: Operator,
        observations: np.ndarray | None,
        model: str | None,
        backend: str,
        precision: str | None,
        loss: str,
    ) -> None: ...
    def evaluate(
        self, blocks: list[np.ndarray]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], list[NDArray[np.float64]]]: ...
    def gradient(self, blocks: list[np.ndarray]) -> list[NDArray[np.float64]]: ...
    def loss(self, blocks: list[np.ndarray]) -> NDArray[np.float64]: ...
    def residual(self, blocks: list[np.ndarray]) -> NDArray[np.float64]: ...

class Truth:
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def complex(self) -> bool: ...
    def matrix(self) -> NDArray[np.float64]: ...
    def left(self) -> NDArray[np.float64] | None: ...
    def right(self) -> NDArray[np.float64] | None: ...
    def measure(self, operator: Operator, noise_std: float, seed: int) -> NDArray[np.float64]: ...

def defaults() -> str: ...
def options_of(command: str) -> list[tuple[str, str, str, str]]: ...
def method_parameters() -> list[str]: ...
def devices() -> list[tuple[str, str, str, bool]]: ...
def usual_storage(precision: str, backend: str) -> str | None: ...
def dense(
    matrices: np.ndarray,
    model: str,
    layout: str | None,
    shape: tuple[int, int] | None,
    storage: str | None,
    normalization: str,
    complex: bool,
    both_parts: bool,
) -> Operator: ...
def dense_gaussian(model: str, shape: tuple[int, int], measurements: int, seed: int, storage: str, complex: bool) -> Operator: ...
def made(
    name: str, model: str, shape: tuple[int, int], measurements: int, seed: int, normalization: str
) -> Operator: ...
def rank_one(
    vectors: np.ndarray,
    right: np.ndarray | None,
    model: str,
    storage: str | None,
    normalization: str,
    centred: bool,
    complex: bool,
) -> Operator: ...
def rank_one_gaussian(
    model: str, shape: tuple[int, int], measurements: int, products: int, seed: int, complex: bool
) -> Operator: ...
def coded_diffraction(parts: NDArray[np.float64], shape: list[int], normalization: str) -> Operator: ...
def pauli(words: list[str], normalization: str) -> tuple[Operator, list[str]]: ...
def pauli_drawn(qubits: int, measurements: int | None, seed: int) -> tuple[Operator, list[str]]: ...
def pauli_settings(words: list[str]) -> list[tuple[str, list[int]]]: ...
def pauli_counts(counts: dict[str, dict[str, int]], normalization: str) -> tuple[Operator, list[str]]: ...
def sparse(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    values: NDArray[np.float64],
    width: int,
    model: str,
    layout: str | None,
    shape: tuple[int, int] | None,
    normalization: str,
) -> Operator: ...
def entries(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    shape: tuple[int, int] | None,
    model: str,
    normalization: str,
) -> Operator: ...
def complex_entries(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    parts: NDArray[np.float64],
    shape: tuple[int, int],
    model: str,
    normalization: str,
) -> Operator: ...
def fit_lines(
    features: NDArray[np.float64],
    penalties: NDArray[np.float64],
    nonnegative: bool,
    starts: list[int],
    places: NDArray[np.uint32],
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def synthetic(
    model: str,
    sizes: tuple[int, int],
    rank: int,
    condition_number: float,
    seed: int,
    signature: tuple[int, int] | None,
    complex: bool,
) -> Truth: ...
def solve(
    operator: Operator,
    observations: np.ndarray | None,
    truth: Any,
    truth_matrix: np.ndarray | None,
    init: Any,
    options: dict[str, Any],
    observer: Callable[[dict[str, Any]], bool] | None,
    observe_factors: bool,
    settings_json: str,
) -> tuple[
    str,
    bytes,
    bytes,
    list[NDArray[np.float64]],
    list[NDArray[np.float64]] | None,
    list[tuple[float, NDArray[np.float64], NDArray[np.float64]] | None],
    NDArray[np.float64] | None,
    list[str],
]: ...
def compare(
    operator: Operator,
    observations: np.ndarray | None,
    truth: Any,
    truth_matrix: np.ndarray | None,
    init: Any,
    methods: list[tuple[str, dict[str, Any]]] | None,
    options: dict[str, Any],
    levels: list[float] | None,
    observer: Callable[[dict[str, Any]], bool] | None,
) -> tuple[bytes, bytes, str, bool, list[str]]: ...
def sweep(
    options: dict[str, Any], observer: Callable[[dict[str, Any]], bool] | None
) -> tuple[bytes, bytes, bool, list[str]]: ...
def reproduce(
    name: str,
    experiment: str,
    quick: bool,
    options: dict[str, Any],
    out: str | None,
    observer: Callable[[dict[str, Any]], bool] | None,
) -> tuple[str, list[tuple[str, str, str]], bool]: ...
