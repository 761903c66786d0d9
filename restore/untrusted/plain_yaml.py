"""YAML without surprises: no aliases, no name twice, plain values only, bounded in size."""

import re
from pathlib import Path
from typing import Any

from ..errors import UnavailableError

EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")  # YAML 1.1 takes 1e-4 for a word


def parsed_yaml(words: bytes | str, path: Path) -> Any:
    """The value that YAML stands for; path: of the file, for UnavailableError without PyYAML.

    ValueError says what is wrong: broken, aliases (which make a small file large), a name twice.
    """
    try:
        import yaml
    except ImportError:
        raise UnavailableError(
            f"{path} is YAML, which needs PyYAML (pip install PyYAML); or write it as .json"
        ) from None

    class Plain(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("aliases are not read")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [str(key.value) for key, _ in node.value]
            if len(set(names)) < len(names):
                raise ValueError("a name stands in it twice")
            return super().construct_mapping(node, deep)

    Plain.yaml_implicit_resolvers = {
        key: list(rules) for key, rules in Plain.yaml_implicit_resolvers.items()
    }
    Plain.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+0123456789."))
    try:
        return yaml.load(words, Plain)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
