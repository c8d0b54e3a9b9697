"""The paper's numbers as data: they are held against each other, and a typing error is one line."""

from statistics import mean, stdev

import pytest

from rimlib import printed
from rimlib.errors import RimError
from rimlib.refmatte import paper_pool, statistics

TABLES = printed.tables()
MISPRINTED = {  # by the ratio of SAD and MAD, see the audit
    ("keyword", "clipmat-l14-refined", "MAD"),
    ("expression", "clipmat", "MAD(E)"),
    ("expression", "1", "MAD(E)"),
}


def test_every_table_is_there_and_has_as_many_numbers_as_it_prints():
    counts = {name: len(table.numbers) for name, table in TABLES.items()}
    assert counts == {
        **{"table1": 25, "table2": 6 * 9, "table3": 6 * 3, "tableS1": 60, "table5": 4 * 7 + 7 - 4, "table6": 24 * 6},
        **{"table7": 9 * 6, "table7_error_bars": 6, "table8": 8 * 6, "table9": 8 * 6, "table10": 3 * 6, "table11": 132},
    }
    assert sum(counts.values()) == len({number.name for number in printed.numbers()}) == 638


def test_sad_and_mad_are_of_images_of_one_size():
    """A digit that is typed wrongly shows here: SAD is a sum over the pixels that MAD is a mean of."""
    compared = 0
    for table in TABLES.values():
        for part in table.parts:
            for sad, mad in (("SAD", "MAD"), ("SAD(E)", "MAD(E)")):
                sums, means = table.values(sad, part), table.values(mad, part)
                for row in means:
                    if (part, row, mad) in MISPRINTED:
                        continue
                    # SAD has two digits behind the point and MAD four: the ratio before rounding is between these
                    low, high = (sums[row] * 1000 / (means[row] + sign * 5e-5) for sign in (1, -1))
                    assert low < 1.79e6 and high > 1.72e6, (table.name, part, row, mad)
                    compared += 1
    assert compared == 2 * (24 + 9 + 8 + 8 + 3) + 18 + 6 - 4


def test_mse_is_below_mad_and_grows_with_it():
    for table in TABLES.values():
        for part in table.parts:
            for mse, mad in (("MSE", "MAD"), ("MSE(E)", "MAD(E)")):
                squares, means = table.values(mse, part), table.values(mad, part)
                for row in squares:
                    assert (part, row, mad) in MISPRINTED or 0.4 < squares[row] / means[row] < 1, (table.name, row)


def test_what_is_printed_twice_is_the_same():
    for part in TABLES["table2"].parts:
        for column in TABLES["table2"].columns:
            both = TABLES["table2"].values(column, part), TABLES["table6"].values(column, part)
            assert both[0].items() <= both[1].items()
    for column in TABLES["table1"].columns:
        assert TABLES["table1"].values(column) == TABLES["table5"].values(column)
    for column in TABLES["table6"].columns:
        headline = TABLES["table6"].number("clipmat", column, "keyword").value
        assert TABLES["table7"].number("1", column, "keyword").value == headline
        assert TABLES["table8"].number("a photo of a {keyword}", column).value == headline
        assert TABLES["table10"].number("all", column).value == headline
    for column in TABLES["table3"].columns:
        assert (
            TABLES["table3"].number("all", column).value == TABLES["table2"].number("clipmat", column, "keyword").value
        )


def test_a_row_after_the_refiner_is_another_set_of_the_same_record():
    table = TABLES["table6"]
    assert table.record_row("RW100", "clipseg-refined") == table.record_row("RW100", "clipseg") == "clipseg"
    assert table.record_set("RW100", "clipseg-refined") == "expression, RW-mini, refined"
    assert table.record_set("RW100", "clipseg") == "expression, RW-mini"
    assert table.against("RW100", "clipseg-refined") == ("RW100", "clipseg")


def test_error_bars_are_of_the_three_seeds():
    for part in TABLES["table7"].parts:
        values = list(TABLES["table7"].values("SAD", part).values())
        bars = TABLES["table7_error_bars"]
        assert bars.number("all", "mean", part).value == round(mean(values), 2)
        assert bars.number("all", "deviation", part).value == pytest.approx(stdev(values), abs=5e-5)


def test_counts_add_up():
    source = TABLES["tableS1"]
    for column, total, kinds in (("in training", "RefMatte, train", "train"), ("in test", "RefMatte, test", "test")):
        parts = [value for row, value in source.values(column).items() if row != total]
        assert sum(parts) == source.number(total, column).value == sum(paper_pool.ENTITIES[kinds].values())
    counted = TABLES["table5"]
    assert sum(value for row, value in counted.values("images").items() if row.startswith("expression")) == 47_500
    assert sum(value for row, value in counted.values("mattes").items() if row.startswith("expression")) == 118_749
    for row in ("expression, test", "RW100"):
        assert counted.number(row, "texts").value == 4 * counted.number(row, "mattes").value


def test_the_numbers_of_the_package_are_those_of_the_file():
    counted = TABLES["table5"]
    for row in statistics.TABLE_5:
        name = "RW100" if row["data"] == "RefMatte-RW100" else f"{row['setting']}, {row['split']}"
        printed_here = {column: counted.numbers.get(("", name, column)) for column in statistics.COLUMNS}
        assert {key: number and number.value for key, number in printed_here.items()} == {
            key: row[key] for key in statistics.COLUMNS
        }


SMALL = """
profile: tiny
columns: {SAD: {key: sad, digits: 2, unit: pixels}}
tables:
  table3:
    title: Modules
    where: Table 3
    columns: [SAD]
    experiment: table3
    against: {"*": none}
    rows:
      none: [22.88]
      tsp: [18.28]
"""


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("tsp: [18.28]", "tsp: [18.28, 3]", "table3, row tsp: found 2 cells, expected 1: SAD"),
        ("tsp: [18.28]", "tsp: [18.288]", "table3, row tsp, SAD: found 18.288, expected 0 or more, 2 digits behind"),
        ("tsp: [18.28]", "tsp: [18,28]", "table3, row tsp: found 2 cells"),
        ("tsp: [18.28]", "tsp: [-18.28]", "table3, row tsp, SAD: found -18.28"),
        ("tsp: [18.28]", "tsp: [1o.28]", "table3, row tsp, SAD: found '1o.28', expected a number, or ~"),
        ("tsp: [18.28]", "tsp: 18.28", "table3, row tsp: found 18.28, expected 1: SAD"),
        ("tsp: [18.28]", "none: [18.28]", "line 13: not readable as YAML ('none' is there twice)"),
        ("tsp: [18.28]", "tsp: [18.28", "not readable as YAML"),
        ("columns: [SAD]", "columns: [SDA]", "column 'SDA' (did you mean SAD?)"),
        ("experiment:", "experiments:", "'experiments' (did you mean experiment?)"),
        ('{"*": none}', '{"*": nine}', "against: nine: no row of the table"),
        ('{"*": none}', "{tps: none}", "against: 'tps' (did you mean tsp?): no row or column"),
        ("title: Modules", "title: 3", "table3, title: found 3, expected a text"),
        ("    where: Table 3\n", "", "table3: where is missing"),
        ("digits: 2", "digits: two", "column SAD, digits: found 'two', expected a whole number"),
    ],
)
def test_a_typing_error_is_one_line(old, new, message, tmp_path):
    assert SMALL.count(old) >= 1
    file = tmp_path / "claims.yaml"
    file.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(RimError) as refused:
        printed.tables(file)
    assert message in str(refused.value) and str(refused.value).startswith(str(file)) and "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path):
    with pytest.raises(RimError, match=r"nowhere\.yaml: no such file"):
        printed.tables(tmp_path / "nowhere.yaml")


def test_a_small_file_is_read(tmp_path):
    file = tmp_path / "claims.yaml"
    file.write_text(SMALL)
    table = printed.tables(file)["table3"]
    assert table.against("", "tsp") == ("", "none") and table.against("", "none") is None
    assert table.number("tsp", "SAD").name == "table3/tsp/SAD"
