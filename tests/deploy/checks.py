"""Checks of the deployment files against facts about the programs.

Every check is a function that returns a list of complaints, empty when all is well. None of them
reads a file or runs a program: consistency_test.py does both.
"""

import json
import re
import shlex

METRIC_PREFIXES = ("slotmatch_", "grpc_server_", "process_")
# Labels that Prometheus adds itself.
TARGET_LABELS = {"job", "instance"}


# --- what the programs say ---


def flags_of_help(text):
    return set(re.findall(r"^\s+(--[a-z0-9-]+)", text, re.MULTILINE))


def setting(config_text, section, field):
    """A field of a section in text format as --print-config writes it; None when it is missing."""
    block = re.search(r"^%s \{(.*?)^\}" % section, config_text, re.MULTILINE | re.DOTALL)
    found = block and re.search(r"\b%s: \"?([^\"\n]*)" % field, block.group(1))
    return found.group(1) if found else None


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def parse_exposition(text):
    """{sample name: {label: set of values}} and {family name: type} of a scrape."""
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            types[name] = kind
        elif line and not line.startswith("#"):
            name, labels = re.match(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s", line).groups()
            values = samples.setdefault(name, {})
            for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""):
                values.setdefault(label, set()).add(value)
    return samples, types


# --- PromQL ---


def selectors(expression):
    """Metric names with their label matchers: [(name, [(label, operator, value)])]."""
    text = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", expression)
    found = []
    for name, braces in re.findall(r"([A-Za-z_:][\w:]*)\s*(\{[^}]*\})?", text):
        if name.startswith(METRIC_PREFIXES) or ":" in name:
            found.append((name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', braces)))
    return found


def check_expression(where, expression, samples):
    complaints = []
    for name, matchers in selectors(expression):
        if name not in samples:
            complaints.append(f"{where}: the server has no metric {name}")
            continue
        for label, operator, value in matchers:
            if label in TARGET_LABELS or "$" in value:
                continue
            known = samples[name].get(label)
            wanted = value.split("|") if operator in ("=~", "!~") else [value]
            if known is None:
                complaints.append(f"{where}: {name} has no label {label}")
            else:
                complaints += [f"{where}: {name} has no {label}=\"{v}\"" for v in wanted
                               if v not in known]
    return complaints


def rules_of(document):
    return [rule for group in document["groups"] for rule in group["rules"]]


def with_recorded(samples, rule_documents):
    """The samples and what recording rules make of them, with the label values of their sources."""
    known = dict(samples)
    for rule in (rule for document in rule_documents for rule in rules_of(document)):
        if "record" in rule:
            labels = known.setdefault(rule["record"], {})
            for name, _ in selectors(rule["expr"]):
                for label, values in known.get(name, {}).items():
                    labels.setdefault(label, set()).update(values)
    return known


def check_rules(document, samples):
    return [complaint for rule in rules_of(document) for complaint in
            check_expression(rule.get("record") or rule["alert"], rule["expr"], samples)]


def dashboard_expressions(dashboard):
    """(panel title, expression) of every query, those of the variables included."""
    found = [("variable " + v["name"], v["query"]["query"])
             for v in dashboard["templating"]["list"] if v["type"] == "query"]
    for panel in dashboard["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    return found


def check_dashboard(dashboard, samples):
    complaints = []
    for title, expression in dashboard_expressions(dashboard):
        if not selectors(expression) and "up{" not in expression:
            complaints.append(f"{title}: no metric found in {expression}")
        complaints += check_expression(title, expression, samples)
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        complaints.append("two panels have the same id")
    return complaints


# --- Dockerfile and documentation's commands ---


def instructions(dockerfile):
    """[(instruction, argument)] with comments dropped and continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.strip().split(None, 1)) for line in joined.splitlines() if line.strip()]


def docker_commands(dockerfile):
    """Argument lists of ENTRYPOINT and HEALTHCHECK."""
    commands = []
    for name, argument in instructions(dockerfile):
        if name in ("ENTRYPOINT", "HEALTHCHECK"):
            commands.append(json.loads(argument[argument.index("["):]))
    return commands


def exposed_ports(dockerfile):
    return {int(port) for name, argument in instructions(dockerfile) if name == "EXPOSE"
            for port in argument.split()}


def check_command(where, command, flags_by_program):
    """Every long option of a command line exists in the help of its program."""
    program = command[0].rsplit("/", 1)[-1]
    if program not in flags_by_program:
        return [f"{where}: unknown program {program}"]
    used = [word.split("=")[0] for word in command[1:] if word.startswith("--")]
    return [f"{where}: {program} has no option {flag}" for flag in used
            if flag not in flags_by_program[program]]


def commands_in_markdown(text, programs):
    """Lines of the code blocks that call one of the programs, continued lines joined.

    An image's name stands for the server, unless the line names another program before it.
    """
    commands = []
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            words = shlex.split(line, comments=True)
            for index, word in enumerate(words):
                if word.rsplit("/", 1)[-1] in programs:
                    commands.append(words[index:])
                    break
                if word.startswith("slotmatch:"):
                    commands.append(["slotmatch_server"] + words[index + 1:])
                    break
    return commands


def model_paths(serve_text):
    return re.findall(r'models\s*\{[^}]*?path:\s*"([^"]+)"', serve_text)


# --- packages ---


def package_list(text):
    return {line.split("#")[0].strip() for line in text.splitlines()} - {""}


def check_packages(listed, needed, extra):
    """`needed`: packages of the libraries the programs name; `extra`: listed for another reason."""
    complaints = [f"runtime.txt lacks {package}" for package in sorted(needed - listed)]
    return complaints + [f"runtime.txt lists {package}, which no program needs"
                         for package in sorted(listed - needed - extra)]


# --- documentation ---


def documented_metrics(markdown):
    """{name: (type, set of labels)} of the tables' rows."""
    rows = {}
    for line in markdown.splitlines():
        if line.startswith(tuple("| `" + prefix for prefix in METRIC_PREFIXES)):
            name, kind, labels = [cell.strip() for cell in line.replace("`", "").split("|")[1:4]]
            rows[name] = (kind, set(labels.replace(",", " ").split()))
    return rows


def check_documented(kind, names, documented):
    complaints = [f"docs/operations.md lacks {kind} {n}" for n in sorted(names - documented)]
    return complaints + [f"docs/operations.md describes {kind} {n}, which does not exist"
                         for n in sorted(documented - names)]
