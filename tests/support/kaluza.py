"""Small Kaluza analyses, written as Kaluza writes them and without the reader's arithmetic."""

import io
import zipfile
from xml.sax.saxutils import escape, quoteattr


def measurement(name, detector, kind="INT", top=1024, decades=4, width=0.5):
    return (
        f'<Measurement N="{name}" T="{kind}"><Detector>{detector}</Detector><Range>{top}</Range>'
        f'<LinearScale DR="{top}"/><LogScale D="{decades}" DR="{top}"/>'
        f'<LogicleScale D="{decades}" W="{width}" DR="{top}"/></Measurement>'
    )


def shape(kind, name, axes, points, parent="", more="", **attributes):
    """A gate: axes as (measurement, scale) pairs, points as pairs."""
    drawn = "".join(f'<A M="{m}" S="{s}"/>' for m, s in axes)
    placed = "".join(f'<P O="{x},{y}"/>' for x, y in points)
    said = "".join(f' {key}="{value}"' for key, value in attributes.items())
    within = f" G={quoteattr(parent)}" if parent else ""
    return f"<{kind} N={quoteattr(name)}{within}{said}><A>{drawn}</A><P>{placed}</P>{more}</{kind}>\n"


def boolean(name, expression, parent=""):
    within = f" G={quoteattr(parent)}" if parent else ""
    return f"<B N={quoteattr(name)}{within}><ExpressionText>{escape(expression)}</ExpressionText></B>\n"


def compensation(detectors, spills, autofluorescence=()):
    listed = "".join(f"<D>{name}</D>" for name in detectors)
    values = "".join(f'<SV S="{source}" C="{channel}" V="{value}"/>' for (source, channel), value in spills.items())
    dark = "".join(f"<DA>{value}</DA>" for value in autofluorescence)
    held = f"<CompensatedDetectors>{listed}</CompensatedDetectors><AF>{dark}</AF><S>{values}</S>"
    return f"<Compensation>{held}</Compensation>"


def entry(*gates, measurements="", spill="", name="blood", keywords=None, constraints="", refers=""):
    words = "".join(f'<K N="{key}" V="{value}"/>' for key, value in (keywords or {}).items())
    return (
        f"<Entry><DataSet N={quoteattr(name)}{refers}><Keywords>{words}</Keywords></DataSet><Protocol>{spill}"
        f"<Measurements>{measurements}</Measurements>\n<Gates>{''.join(gates)}</Gates>"
        f"<GateConstraints>{constraints}</GateConstraints></Protocol></Entry>"
    )


def analysis_xml(*entries, doctype=""):
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{doctype}\n<Analysis Version="2.1"><Worklist><Entries>'
        f"{''.join(entries)}</Entries></Worklist></Analysis>"
    )


def write_analysis(path, xml, files, compression=zipfile.ZIP_DEFLATED):
    """files: content by the name of the archive's entry."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        archive.writestr("000000.app", "<App/>")
        archive.writestr("000000.xml", xml)
        for name, data in files.items():
            archive.writestr(name, data)
    path.write_bytes(content.getvalue())
    return path
