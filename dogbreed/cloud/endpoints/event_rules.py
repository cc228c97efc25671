"""EventBridge rules with their targets: put and delete. Errors are botocore's."""

from typing import Any

from dogbreed.errors import CloudError


def put_rule(client: Any, rule: dict[str, Any], targets: dict[str, Any]) -> None:
    """Create or update a rule; `rule` and `targets` are the arguments of PutRule and PutTargets.

    Raises:
        CloudError: EventBridge refuses a target.
    """
    client.put_rule(**rule)
    refused = client.put_targets(**targets).get("FailedEntries", [])
    if refused:
        raise CloudError(
            f"the rule {rule['Name']}: EventBridge refuses its target: "
            f"{refused[0].get('ErrorMessage', '')}."
        )


def delete_rule(client: Any, name: str) -> None:
    """Delete a rule; its targets must go first."""
    targets = client.list_targets_by_rule(Rule=name)["Targets"]
    if targets:
        client.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
    client.delete_rule(Name=name)
