"""Proves that check_man_pages.py sees what a manual page lacks and what it has too much."""

import unittest

import check_man_pages as check

HELP = {
    (): """Usage: prog [OPTIONS] SUBCOMMAND

Options:
  -h,--help                   Print this help message and exit
  --output TEXT:{text,json}=text
                              Form of the answer

Subcommands:
  list                        Lists, see --other
  key                         Keys
""",
    ("list",): "Lists\nUsage: prog list [OPTIONS]\n\nOptions:\n  -h,--help   Help\n    --all   All\n",
    ("key",): "Keys\nUsage: prog key [OPTIONS] SUBCOMMAND\n\nSubcommands:\n  sign         Signs\n\n",
    ("key", "sign"): "Signs\nUsage: prog key sign [OPTIONS] NAME\n\nOptions:\n"
                     "  -h,--help     Help\n  -o,--out FILE   File\n",
}

PAGE = r""".TH PROG 1
.SH OPTIONS
.TP
.BR \-h ", " \-\-help
.TP
.BR \-\-output " " text | json
Form.
.SH COMMANDS
.SS list
Lists, see
.BR \-\-other .
.TP
.B \-\-all
All.
.SS key sign NAME
.TP
.BR \-o ", " \-\-out " \fIFILE\fR"
File.
.SH FILES
.TP
.I /no/--option
"""

CONFIG = """# What it is. [reload]
name = "a"

# Another.
[limits]
size = 4
# [[role]]
# san = "x"
"""

CONFIG_PAGE = r""".SS [limits]
.TP
.B size = 4
.SS [[role]]
.TP
.B san = \(dqx\(dq
"""


def commands_differ(help_texts, page):
    return list(check.differences("page", check.flat(check.helped(help_texts.__getitem__)),
                                  check.flat(check.described(page))))


class ManPages(unittest.TestCase):
    def test_a_page_that_says_all_passes(self):
        self.assertEqual(commands_differ(HELP, PAGE), [])

    def test_a_missing_option_is_named(self):
        self.assertEqual(commands_differ(HELP, PAGE.replace(r"\-\-all", "all")),
                         ["page does not say: list --all"])

    def test_an_option_under_another_command_is_missing(self):
        moved = PAGE.replace(".TP\n.B \\-\\-all\nAll.\n", "").replace(
            "File.\n", "File.\n.TP\n.B \\-\\-all\n")
        self.assertEqual(commands_differ(HELP, moved),
                         ["page does not say: list --all",
                          "page says what is not: key sign NAME --all"])

    def test_a_missing_short_option_is_named(self):
        self.assertEqual(commands_differ(HELP, PAGE.replace(r'\-o ", " ', "")),
                         ["page does not say: key sign NAME -o"])

    def test_a_missing_option_of_the_program_is_named(self):
        self.assertEqual(commands_differ(HELP, PAGE.replace(r"\-\-output", "output")),
                         ["page does not say: --output"])

    def test_a_missing_command_and_a_wrong_argument_are_named(self):
        self.assertEqual(commands_differ(HELP, PAGE.replace(".SS key sign NAME", ".SS key sign")),
                         ["page does not say: key sign NAME",
                          "page does not say: key sign NAME --out",
                          "page does not say: key sign NAME -o",
                          "page says what is not: key sign",
                          "page says what is not: key sign --out",
                          "page says what is not: key sign -o"])

    def test_keys_with_defaults_and_reload_are_read(self):
        self.assertEqual(check.keys(CONFIG), {': name = "a" [reload]', "[limits]: size = 4",
                                              '[[role]]: san = "x"'})
        self.assertEqual(check.described_keys(CONFIG_PAGE),
                         {"[limits]: size = 4", '[[role]]: san = "x"'})


if __name__ == "__main__":
    unittest.main()
