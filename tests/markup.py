"""Finds, in the syntax tree of a page, texts that would reach Streamlit or a plot as markup."""

import ast
import re

from tests.architecture import Module

_MARKUP = frozenset(
    [
        "badge",
        "button",
        "caption",
        "checkbox",
        "dialog",
        "download_button",
        "error",
        "expander",
        "exception",
        "file_uploader",
        "form_submit_button",
        "header",
        "html",
        "image",
        "info",
        "link_button",
        "markdown",
        "metric",
        "multiselect",
        "number_input",
        "page_link",
        "pills",
        "popover",
        "progress",
        "radio",
        "segmented_control",
        "selectbox",
        "select_slider",
        "slider",
        "spinner",
        "status",
        "subheader",
        "success",
        "tabs",
        "text_area",
        "text_input",
        "title",
        "toast",
        "toggle",
        "warning",
        "write",
    ]
)
"""Streamlit's functions whose first argument is Markdown or HTML."""
_MARKUP_KEYWORDS = ("label", "body", "text", "caption", "help", "value", "delta", "file_name")
_PLOTS = ("add_scatter", "add_bar", "add_annotation", "update_layout", "update_xaxes", "update_yaxes")
_PLOT_KEYWORDS = ("name", "text", "hovertemplate", "title", "title_text")
_MARKED_OPTIONS = ("radio", "pills", "segmented_control", "select_slider", "tabs")
_TYPED_IN = ("text_input", "text_area", "number_input", "slider", "select_slider", "checkbox", "toggle")
_HARMLESS = frozenset(
    (
        "plain",
        "in_chart",
        "cell",
        "shown",
        "stem",
        "download_name",
        "duration",
        "short_count",
        "escape",
        "len",
        "round",
        "int",
        "float",
    )
)
_NUMERIC = re.compile(r"[+,_.\d]*[bdeEfFgGn%]|,")


def raw_texts(module: Module) -> list[str]:
    """Texts that reach Streamlit or a plot and are neither written here nor made harmless by `services.names`."""
    nodes = list(ast.walk(module.tree))
    called = {node.func for node in nodes if isinstance(node, ast.Call)}
    found = []
    for node in nodes:
        if isinstance(node, ast.Attribute) and node not in called and ast.unparse(node.value) == "st":
            found += [f"line {node.lineno}: st.{node.attr} handed on"] if node.attr in _MARKUP else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "empty_state":
            found += [f"line {value.lineno}: empty_state" for value in node.args if not _is_harmless(value)]
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, owner = node.func.attr, ast.unparse(node.func.value)
        if owner == "say" or "LOG" in owner.upper():
            continue
        found += [f"line {value.lineno}: {owner}.{name}({ast.unparse(value)[:60]})" for value in _risky(name, node)]
        if name == "dataframe":
            found.append(f"line {node.lineno}: {owner}.dataframe, where say.table is meant")
    return found


def _risky(name: str, node: ast.Call) -> list[ast.expr]:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    checked: list[ast.expr] = []
    if name in _MARKUP:
        checked = [*([] if name in ("image", "progress") else node.args[:1])]
        wanted = [word for word in _MARKUP_KEYWORDS if not (word == "value" and name in _TYPED_IN)]
        checked += [keywords[word] for word in wanted if word in keywords]
        checked += [*(node.args[1:] if name == "metric" else [])]
    if name in _MARKED_OPTIONS and "format_func" in keywords:
        checked.append(keywords["format_func"])
    if name in _PLOTS:
        checked = [keywords[word] for word in _PLOT_KEYWORDS if word in keywords]
    return [value for value in checked if not _is_harmless(value)]


def _is_harmless(node: ast.expr) -> bool:
    """Whether an expression is a text of our own, or made of such and of numbers and of what was made harmless."""
    match node:
        case ast.Constant():
            return True
        case ast.Attribute(attr="title" | "help" | "label" | "unit", value=ast.Name(id="setting")):
            # The form's own words, from core/config.
            return True
        case ast.Attribute(attr="title" | "help" | "label" | "unit", value=ast.Call(func=ast.Name(id="setting_of"))):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").isupper()
        case ast.Subscript(value=value):
            return _is_harmless(value)
        case ast.JoinedStr(values=values):
            return all(map(_is_harmless, values))
        case ast.FormattedValue(value=value, format_spec=spec):
            numeric = spec is not None and _NUMERIC.fullmatch(ast.unparse(spec)[2:-1]) is not None
            return numeric or _is_harmless(value)
        case ast.IfExp(body=body, orelse=other) | ast.BinOp(left=body, right=other):
            return _is_harmless(body) and _is_harmless(other)
        case ast.BoolOp(values=values):
            return all(map(_is_harmless, values))
        case ast.Lambda(body=body) | ast.Starred(value=body):
            return _is_harmless(body)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Dict(values=elements):
            return all(map(_is_harmless, elements))
        case ast.ListComp(elt=element):
            return _is_harmless(element)
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name, value=ast.Name(id="names"))):
            return name in _HARMLESS
        case ast.Call(func=ast.Attribute(attr="join" | "get", value=value), args=arguments):
            return _is_harmless(value) and (not arguments or node.func.attr == "get" or _is_harmless(arguments[0]))
    return False
