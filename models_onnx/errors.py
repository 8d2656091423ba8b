"""What can go wrong with a model, and what the operator does about it.

ModelError
├── BundleError          the files on disk are not the bundle they claim to be
├── DeviceError          the device asked for is not the device to be had
├── InferenceError       onnxruntime raised while it ran
│   └── DeviceMemoryError  because the device's memory is full
├── ShapeError           arrays disagree with the bundle's labels or with each other
├── CodecError           stored bytes are not an answer of this version
└── DataError            a file of a data set, or a mapping to one, is not of its format
"""


class ModelError(Exception):
    """Base of everything this package raises on purpose."""


class BundleError(ModelError):
    """A bundle is incomplete, changed or of another schema.

    Operator: fetch the bundle folder again from the release, or export it anew.
    """


class DeviceError(ModelError):
    """The device asked for cannot be had, or two onnxruntime distributions are installed.

    Operator: install exactly one of the extras `cpu` and `gpu`, or set the device to `cpu`.
    """


class InferenceError(ModelError):
    """Onnxruntime raised, also for a text known to be harmless: the session is broken.

    Operator: restart the worker; if it happens again the message names the cause (memory, driver).
    """


class DeviceMemoryError(InferenceError):
    """The device has no memory left for a batch; smaller ones may still go.

    Operator: nothing while it passes; else give the worker a device of its own.
    """


class ShapeError(ModelError):
    """Scores, words and labels disagree in number.

    Operator: model.onnx and bundle.toml are from different exports; fetch the bundle again.
    """


class CodecError(ModelError):
    """Bytes from a cache are no answer that this version can read.

    Operator: drop the answer cache; the answers are computed again.
    """


class DataError(ModelError):
    """A file to measure on, or a published mapping, cannot be read as what it is said to be.

    Operator: the message names file, line and field; mend it, or name the right `--set`.
    """
