"""Small workspaces in the form other programs write them."""

from xml.sax.saxutils import quoteattr

SPACES = (
    'xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating" '
    'xmlns:transforms="http://www.isac-net.org/std/Gating-ML/v2.0/transformations" '
    'xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes"'
)


def rectangle_xml(**sides):
    inner = "".join(
        f'<gating:dimension gating:min="{low}" gating:max="{high}">\n'
        f'<data-type:fcs-dimension data-type:name="{name}"/></gating:dimension>\n'
        for name, (low, high) in sides.items()
    )
    return f"<gating:RectangleGate>{inner}</gating:RectangleGate>"


def polygon_xml(x, y, corners):
    dimensions = "".join(
        f'<gating:dimension><data-type:fcs-dimension data-type:name="{name}"/></gating:dimension>' for name in (x, y)
    )
    vertices = "".join(
        "<gating:vertex>"
        + "".join(f'<gating:coordinate data-type:value="{value}"/>' for value in corner)
        + "</gating:vertex>\n"
        for corner in corners
    )
    return f'<gating:PolygonGate quadId="-1" gateResolution="256">{dimensions}{vertices}</gating:PolygonGate>'


def population(name, gate, inner="", count=-1):
    below = f"<Subpopulations>{inner}</Subpopulations>" if inner else ""
    return f'<Population name={quoteattr(name)} count="{count}"><Gate>{gate}</Gate>{below}</Population>\n'


def flowjo_sample(*populations, name="a.fcs", number="1", scales=None, matrix=None, keywords=None, uri=None):
    linear = '<transforms:linear transforms:minRange="0" transforms:maxRange="1000" gain="1">'
    scales = {"A": linear, "B": linear} | (scales or {})
    transformations = "".join(
        f'{xml}<data-type:parameter data-type:name="{channel}"/></{xml[1:].split()[0].rstrip(">")}>\n'
        for channel, xml in scales.items()
    )
    spillover = ""
    if matrix:
        rows = "".join(
            f'<transforms:spillover data-type:parameter="{row}">'
            + "".join(
                f'<transforms:coefficient data-type:parameter="{column}" transforms:value="{value}"/>'
                for column, value in cells.items()
            )
            + "</transforms:spillover>"
            for row, cells in matrix.items()
        )
        spillover = f'<transforms:spilloverMatrix prefix="Comp-" suffix="" name="m">{rows}</transforms:spilloverMatrix>'
    listed = "".join(f'<Keyword name="{key}" value="{value}"/>' for key, value in (keywords or {}).items())
    inner = f"<Subpopulations>{''.join(populations)}</Subpopulations>" if populations else ""
    return (
        f'<Sample><DataSet uri="{uri or "file:/C:/data/" + name}" sampleID="{number}"/>{spillover}\n'
        f"<Transformations>{transformations}</Transformations><Keywords>{listed}</Keywords>\n"
        f'<SampleNode name="{name}" sampleID="{number}" count="100">{inner}</SampleNode></Sample>'
    )


def flowjo_workspace(*samples, groups=None):
    nodes = "".join(
        f'<GroupNode name="{name}"><Subpopulations>{inner}</Subpopulations><Group name="{name}">'
        '<SampleRefs><SampleRef sampleID="1"/></SampleRefs></Group></GroupNode>'
        for name, inner in (groups or {}).items()
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Workspace version="20.0" flowJoVersion="10.8.1" {SPACES}>\n'
        f"<Groups>{nodes}</Groups><SampleList>{''.join(samples)}</SampleList></Workspace>"
    )
