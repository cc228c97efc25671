"""The EventBridge rule that starts a deployment when a model is approved in the registry."""

import json
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.tags import tag_list
from dogbreed.configuration.pipeline import PipelineConfig

PACKAGE_PARAMETER = "ModelPackageArn"  # of the pipeline that deploys


def deployment_name(config: PipelineConfig) -> str:
    """The name of the pipeline that deploys approved models, and of the rule that starts it."""
    return f"{config.pipeline.name}-deploy"


def rule_requests(
    account: Account, config: PipelineConfig, pipeline_arn: str, role_arn: str
) -> list[dict[str, Any]]:
    """The arguments of EventBridge's PutRule and PutTargets: an approval starts the pipeline."""
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": [config.pipeline.group],
            "ModelApprovalStatus": ["Approved"],
        },
    }
    name = deployment_name(config)
    parameters = [{"Name": PACKAGE_PARAMETER, "Value": "$.detail.ModelPackageArn"}]
    return [
        {
            "Name": name,
            "EventPattern": json.dumps(pattern),
            "State": "ENABLED",
            "Description": f"deploys approved models of {config.pipeline.group}",
            "Tags": tag_list(config.launcher, account.owner),
        },
        {
            "Rule": name,
            "Targets": [
                {
                    "Id": "pipeline",
                    "Arn": pipeline_arn,
                    "RoleArn": role_arn,
                    "SageMakerPipelineParameters": {"PipelineParameterList": parameters},
                }
            ],
        },
    ]
