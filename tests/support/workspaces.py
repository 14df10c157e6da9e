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


def flowjo9_population(name, shape, inner="", count=-1):
    return (
        f'<Population name={quoteattr(name)} count="{count}"><PolygonGate>{shape}</PolygonGate>{inner}</Population>\n'
    )


def flowjo9_shape(kind, x, y, corners):
    vertices = "".join(f'<Vertex x="{a}" y="{b}"/>' for a, b in corners)
    axes = f'xAxisName="{x}"' + (f' yAxisName="{y}"' if y else "")
    return f"<{kind} {axes}><Polygon>{vertices}</Polygon></{kind}>"


def flowjo9_written(shape, *channels):
    """A shape as FlowJo 9 writes it: the names of its parameters and a view stand before it."""
    listed = "".join(f"<String>{channel}</String>" for channel in channels)
    graph = '<Graph type="Dot"><Axis name="FSC-A" dimemsion="1"/><Axis name="SSC-A" dimemsion="2"/></Graph>'
    return f"<ParameterNames><StringArray>{listed}</StringArray></ParameterNames>{graph}{shape}"


def flowjo9_boolean(name, specification, paths, count=-1):
    listed = "".join(f"<String>{path}</String>" for path in paths)
    return (
        f'<Population name={quoteattr(name)} count="{count}"><BooleanGate specification={quoteattr(specification)}>'
        f"<GatePaths><StringArray>{listed}</StringArray></GatePaths></BooleanGate></Population>"
    )


def flowjo9_matrix(name, rows):
    listed = "".join(
        f'<Channel name="{row}">'
        + "".join(f'<ChannelValue name="{column}" value="{value}"/>' for column, value in cells.items())
        + "</Channel>"
        for row, cells in rows.items()
    )
    return f'<CompensationMatrix name="{name}" prefix="&lt;" suffix="&gt;" usageFlag="1">{listed}</CompensationMatrix>'


def flowjo9_table(name, intensities):
    pairs = ",".join(f"{step},{value!r}" for step, value in enumerate(intensities))
    return f'<Table name={quoteattr(name)} biexponentialDecades="0" biexponentialWidth="0">{pairs}</Table>'


def flowjo9_sample(*populations, number=1, compensation=-1, keywords=None, parameters="", name="a.fcs", count=100):
    listed = "".join(
        f"<Keyword name={quoteattr(key)} value={quoteattr(value)}/>"
        for key, value in (keywords or {"$FIL": "a.fcs"}).items()
    )
    return (
        f'<Sample eventCount="{count}" sampleID="{number}" compensationID="{compensation}">'
        f"<Keywords>{listed}</Keywords>"
        f'<DataSet locationType="MacAlias">00</DataSet>{parameters}'
        f'<SampleNode name="{name}" count="{count}" sampleID="{number}">{"".join(populations)}</SampleNode></Sample>'
    )


def flowjo9_workspace(*populations, matrix=None, parameters="", matrices="", tables="", samples=None, groups=""):
    """A workspace of one sample, or of ``samples``; a matrix given as rows is the one of the sample."""
    held = flowjo9_matrix("m", matrix) if matrix else matrices
    alone = flowjo9_sample(*populations, compensation=1 if matrix else -1, parameters=parameters)
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE Workspace>\n'
        '<Workspace version="2.0" flowJoVersion="9.2">\n'
        f"<Groups>{groups}</Groups><SampleList>{alone if samples is None else samples}</SampleList>\n"
        f"<CompensationMatrices>{held}</CompensationMatrices><CalibrationTables>{tables}</CalibrationTables></Workspace>"
    )


def diva_gate(fullname, region="", kind="Region_Classifier", **more):
    name, parent = fullname.rpartition("\\")[2], fullname.rpartition("\\")[0]
    details = "".join(f"<{key}>{value}</{key}>" for key, value in more.items() if key != "inputs")
    inputs = "".join(f"<input>{path}</input>" for path in more.get("inputs", ()))
    above = f"<parent>{parent}</parent>" if parent else ""
    return f'<gate fullname="{fullname}" type="{kind}"><name>{name}</name>{above}{region}{details}{inputs}</gate>\n'


def diva_region(kind, x, y, points):
    listed = "".join(f'<point x="{a}" y="{b}"/>' for a, b in points)
    axes = f'xparm="{x}"' + (f' yparm="{y}"' if y else "")
    return f'<region name="r" {axes} type="{kind}_REGION"><points>{listed}</points></region>'


def diva_experiment(*gates, worksheet="", worksheets=None, points_to=None, weights=None, counted=100):
    """An experiment of one tube; worksheets: the gates of global worksheets by name, instead of ``worksheet``."""
    parameters = "".join(
        f'<parameter name="{name}"><can_be_compensated>true</can_be_compensated><compensation>'
        + "".join(f"<compensation_coefficient>{value}</compensation_coefficient>" for value in values)
        + "</compensation></parameter>"
        for name, values in (weights or {}).items()
    )
    enabled = str(bool(weights)).lower()
    settings = (
        f"<instrument_settings><compensation_enabled>{enabled}</compensation_enabled>{parameters}</instrument_settings>"
    )
    everything = diva_gate("All Events", kind="EventSource_Classifier", num_events=counted)
    held = f"<gates>{everything}{''.join(gates)}</gates>" if gates or points_to is not None else ""
    templates = "".join(
        f'<worksheet_template name="{name}"><gates>{everything}{inner}</gates></worksheet_template>'
        for name, inner in (worksheets if worksheets is not None else {"Global Sheet1": worksheet}).items()
    )
    preferred = "" if points_to is None else f"<pref_global_worksheet>{points_to}</pref_global_worksheet>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<bdfacs version="Version 6.1.3"><experiment name="e">\n'
        f'<acquisition_worksheets name="Global Worksheets">{templates}</acquisition_worksheets>'
        f'<specimen name="Blood"><tube name="T1"><data_filename>a.fcs</data_filename>{preferred}'
        f"{settings}{held}</tube></specimen></experiment></bdfacs>"
    )
