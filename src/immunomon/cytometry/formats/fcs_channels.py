"""The channels of an FCS file by what its keywords say: names, markers, ranges, voltages."""

from __future__ import annotations

from immunomon.cytometry.formats.fcs_header import whole_number
from immunomon.cytometry.formats.fcs_layout import Layout, number_of
from immunomon.cytometry.formats.fcs_text import Keywords
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import unmangled

__all__ = ["channels_of", "names_of"]


def channels_of(keywords: Keywords, layout: Layout) -> tuple[tuple[Channel, ...], tuple[str, ...]]:
    """Return the channels' names, ranges and voltages; names that stand twice get their channel's number.

    None of them keeps the bare name: a gate on it would take one of them by chance.

    >>> from immunomon.cytometry.formats.fcs_layout import ChannelFormat
    >>> words = Keywords({"$P1N": "FL1-A", "$P2N": "FL1-A", "$P2S": "CD4"})
    >>> one = ChannelFormat("F", 32, 1024.0, 32)
    >>> [channel.detector for channel in channels_of(words, Layout((one, one), (1, 2, 3, 4)))[0]]
    ['FL1-A (P1)', 'FL1-A (P2)']
    """
    notes = []
    names = [keywords.get(f"$P{number}N") for number in range(1, len(layout.formats) + 1)]
    counted: dict[str, int] = {}
    for name in names:
        counted[name.casefold()] = counted.get(name.casefold(), 0) + 1
    channels = []
    for number, (name, stored) in enumerate(zip(names, layout.formats, strict=True), start=1):
        detector = name or f"P{number}"
        if not name:
            notes.append(f"$P{number}N is missing: the channel is named {detector}")
        elif counted[name.casefold()] > 1:
            detector = f"{name} (P{number})"
            notes.append(f"$P{number}N '{name}' names several channels: this one is '{detector}'")
        marker = keywords.get(f"$P{number}S")
        notes += [
            f"$P{number}{letter} is '{text}', which reads '{unmangled(text)}' if its UTF-8 was once taken for Latin-1"
            for letter, text in (("N", name), ("S", marker))
            if unmangled(text) != text
        ]
        voltage = number_of(keywords.get(f"$P{number}V"))
        channels.append(Channel(detector, "" if marker == name else marker, stored.limit, voltage))
    return tuple(channels), tuple(notes)


def names_of(keywords: Keywords) -> tuple[Channel, ...]:
    """Return the channels of a data set that is not read, by name alone.

    >>> names_of(Keywords({"$PAR": "2", "$P1N": "FS", "$P2N": "FL1", "$P2S": "CD4"}))[1]
    Channel(detector='FL1', marker='CD4', range=262144.0, voltage=None, aliases=())
    """
    count = min(whole_number(keywords.get("$PAR")) or 0, len(keywords.values))
    names = ((keywords.get(f"$P{number}N"), keywords.get(f"$P{number}S")) for number in range(1, count + 1))
    return tuple(Channel(name, "" if marker == name else marker) for name, marker in names if name)
