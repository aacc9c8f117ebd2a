"""Law: no page hands text from outside to Streamlit or a plot as it is, and what does hand it on is seen."""

import pytest

from tests.architecture import Module, modules, within
from tests.markup import raw_texts

# Each escapes what it is given; tests/ui/test_texts.py tries them. Everybody else goes through app.components.say.
WRITERS_OF_MARKUP = (
    "app.components.legend",
    "app.components.say",
    "app.components.score_table",
    "app.views.compare.answer",
)


def test_no_text_from_outside_reaches_the_page_as_markup() -> None:
    """What is not written in the source is said by app.components.say, or made harmless by app.services.names."""
    pages = [m for m in modules("app") if not within(m.name, ("app.services", *WRITERS_OF_MARKUP))]
    assert len(pages) > 40
    assert [f"{module.name} {found}" for module in pages for found in raw_texts(module)] == []


@pytest.mark.parametrize(
    "text",
    [
        "st.error(message)",
        "st.error(f'{name} failed')",
        "st.error('failed: ' + name)",
        "column.caption(run.name)",
        "st.button('Go', help=name)",
        "st.image(data, caption=name)",
        "st.metric('Speed', 'fast', name)",
        "st.progress(0.5, text=f'{name}')",
        "st.pills('Models', names, format_func=lambda name: titles[name])",
        "st.pills('Models', names, format_func=titles.get)",
        "st.download_button('Table', data, file_name=f'{name}.csv')",
        "st.markdown(f'{name:>10}')",
        "st.html(name)",
        "{'bad': st.warning}[tone](name)",
        "show = st.error",
        "st.dataframe(rows)",
        "empty_state(title, 'advice')",
        "figure.add_scatter(x=x, name=name)",
        "figure.update_layout(title={'text': name})",
    ],
)
def test_a_raw_text_is_seen(text: str) -> None:
    assert raw_texts(Module("app.views.x", text))


@pytest.mark.parametrize(
    "text",
    [
        "st.error('It failed.', icon=':material/error:')",
        "st.error(plain(name))",
        "say.error(name)",
        "st.caption(f'{count:d} of {len(names)} in {seconds:.1f} s, at most {datasets.MOST_FILES}')",
        "st.metric('Time', duration(seconds))",
        "st.selectbox('Model', names, format_func=lambda name: titles[name])",
        "st.number_input('Seed', value=seed, help=_HELP['seed'])",
        "st.download_button('Table', data, file_name=f'{stem(name)}.csv')",
        "_LOG.error(message)",
        "figure.add_scatter(x=x, name=in_chart(name))",
        "figure.update_layout(title={'text': in_chart(name)})",
    ],
)
def test_a_harmless_text_passes(text: str) -> None:
    assert raw_texts(Module("app.views.x", text)) == []
