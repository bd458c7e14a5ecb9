"""What Autobahn's testsuite knows, as lines for `cargo xtask autobahn`. Runs in its Python 2.7.

`report.py cases` prints the number of every case. `report.py verdicts FOLDER` prints, of a run's
reports: case, behavior, behaviorClose, what the case does and what came of it, and its report,
with tabs between them.
"""

import io
import json
import os
import re
import sys


def cases():
    # Imported here: it takes a second.
    from autobahntestsuite.case import CaseBasename, Cases
    for case in Cases:
        yield case.__name__[len(CaseBasename):].replace("_", ".")


def verdicts(folder):
    for agent in load(folder, "index.json").values():
        for case, verdict in agent.items():
            report = load(folder, verdict["reportfile"])
            behavior, close = verdict["behavior"], verdict["behaviorClose"]
            about = [report["description"]]
            if behavior != "OK":
                about.append(report["result"])
            if close != "OK":
                about.append(report["resultClose"])
            # The page that lies beside the JSON is the one to look at.
            page = os.path.splitext(verdict["reportfile"])[0] + ".html"
            yield "\t".join([
                case,
                behavior.replace(" ", "-"),
                close.replace(" ", "-"),
                " | ".join(plain(text) for text in about),
                os.path.join(folder, page),
            ])


def load(folder, name):
    with io.open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def plain(text):
    """One line, without the marks of HTML."""
    return " ".join(re.sub("<[^>]*>", " ", text).split())


def main():
    lines = cases() if sys.argv[1] == "cases" else verdicts(sys.argv[2])
    for line in lines:
        sys.stdout.write(line.encode("utf-8") + "\n")


main()
