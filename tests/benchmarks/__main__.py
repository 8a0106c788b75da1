"""`./run bench [name …] [--members N] [--repeats N]`: one JSON object a line, progress on the error stream."""

import argparse
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        default=["A", "B", "C", "D", "E", "I", "J", "K", "L", "M", "N", "O", "P"],
        help="rows to measure (default: all)",
    )
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    django.setup()
    from tests.benchmarks import (
        a_mass_assignment,
        b_voucher_import,
        c_member_import,
        d_member_list,
        e_one_grant,
        harness,
        i_outcome_export,
        j_targeting_count,
        k_dry_run,
        l_builder,
        m_undo,
        n_member_search,
        o_make_good,
        p_enlisting,
    )

    rows = {
        "A": lambda: a_mass_assignment.run(n=options.members, repeats=options.repeats),
        "A-GROWTH": lambda: a_mass_assignment.run_growth(
            n=options.members, repeats=options.repeats, few=options.members // 100, many=10 * options.members
        ),
        "B": lambda: b_voucher_import.run(repeats=options.repeats),
        "C": lambda: c_member_import.run(n=options.members, repeats=options.repeats),
        "D": lambda: d_member_list.run(n=options.members, repeats=options.repeats),
        "E": lambda: e_one_grant.run(n=options.members, repeats=options.repeats),
        "I": lambda: i_outcome_export.run(n=options.members, repeats=options.repeats),
        "J": lambda: j_targeting_count.run(n=options.members, repeats=options.repeats),
        "K": lambda: k_dry_run.run(n=options.members, repeats=options.repeats),
        "L": lambda: l_builder.run(n=options.members, repeats=options.repeats),
        "M": lambda: m_undo.run(n=options.members, repeats=options.repeats),
        "N": lambda: n_member_search.run(n=options.members, repeats=options.repeats),
        "O": lambda: o_make_good.run(n=options.members, repeats=options.repeats),
        "P": lambda: p_enlisting.run(n=options.members, repeats=options.repeats),
    }
    unknown = sorted({name.upper() for name in options.names} - set(rows))
    if unknown:
        parser.error(f"There is no row {', '.join(unknown)}. There are: {', '.join(rows)}.")
    harness.fresh_database()
    for name in options.names:
        rows[name.upper()]()


if __name__ == "__main__":
    main()
