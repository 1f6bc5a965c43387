"""A mel spectrogram of convolutions and one matrix, so that graphs take sound as it is. Numbers are the authors'.

The Fourier transform is two convolutions with cosines and sines under the window, which every runtime has; the matrix
of mel bands comes from the authors' own code, so that it is theirs to the last bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mel:
    """How a model hears. `power` in, `log(x + floor)`, then `(x + shift) / scale`; decibels where `decibels`."""

    rate: int
    length: int
    """Of the transform, in samples."""
    hop: int
    window: Floats
    """Of `length` samples, zeros at both ends where the authors' is shorter."""
    bands: Floats
    """Bands x (length / 2 + 1)."""
    emphasis: float = 0.0
    floor: float = 1e-10
    decibels: bool = False
    shift: float = 0.0
    scale: float = 1.0


def centred(window: Floats, length: int) -> Floats:
    """As `torch.stft` does with a window that is shorter than the transform."""
    left = (length - len(window)) // 2
    return np.pad(window, (left, length - len(window) - left)).astype(np.float32)


def hann(length: int, *, periodic: bool) -> Floats:
    """0.5 - 0.5 cos(2 pi n / N), N = length, or length - 1 where it is not periodic."""
    whole = length if periodic else length - 1
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / whole)).astype(np.float32)


def basis(window: Floats) -> Floats:
    """Kernels of a convolution that is a Fourier transform: 2 (N / 2 + 1) x 1 x N, cosines first."""
    length = len(window)
    angles = 2 * np.pi * np.outer(np.arange(length // 2 + 1), np.arange(length)) / length
    kernels = np.concatenate([np.cos(angles), -np.sin(angles)]) * window
    return np.asarray(kernels[:, None, :], np.float32)


def front(torch: Any, mel: Mel) -> Any:
    """The spectrogram as a module of PyTorch: batch x samples in, batch x bands x frames out."""
    functional = torch.nn.functional

    class Front(torch.nn.Module):  # type: ignore[misc]
        """Its weights are constants."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kernels", torch.from_numpy(basis(mel.window)))
            self.register_buffer("bands", torch.from_numpy(mel.bands.astype(np.float32)))

        def forward(self, waveform: Any) -> Any:
            sound = waveform[:, None, :]
            if mel.emphasis:
                sound = sound[:, :, 1:] - mel.emphasis * sound[:, :, :-1]
            sound = functional.pad(sound, (mel.length // 2, mel.length // 2), mode="reflect")
            parts = functional.conv1d(sound, self.kernels, stride=mel.hop)
            real, imaginary = parts.chunk(2, dim=1)
            heard = torch.matmul(self.bands, real * real + imaginary * imaginary)
            told = (heard + mel.floor).log() if not mel.decibels else 10 * heard.clamp(min=mel.floor).log10()
            return (told + mel.shift) / mel.scale

    return Front()
