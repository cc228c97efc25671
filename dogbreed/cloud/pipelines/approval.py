"""The pipeline that deploys a model package: an approval starts it, see event_rule.py."""

from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.endpoint_step import EndpointConfigStep, EndpointStep
from sagemaker.mlops.workflow.pipeline import Pipeline

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.tags import ENDPOINT, tag_list
from dogbreed.cloud.endpoints.endpoint_requests import VARIANT
from dogbreed.cloud.pipelines.event_rule import PACKAGE_PARAMETER
from dogbreed.cloud.pipelines.workflow import model_step
from dogbreed.configuration.pipeline import PipelineConfig


def deploy_pipeline(
    account: Account, config: PipelineConfig, session: PipelineSession, role_arn: str
) -> Pipeline:
    """The pipeline that deploys a model package to the endpoint: creates it, or updates it.

    The former endpoint configuration remains, so that the endpoint can be set back to it.
    """
    deploy, endpoint = config.deploy, str(config.pipeline.endpoint)
    package = ParameterString(name=PACKAGE_PARAMETER)
    name = Join(on="-", values=[endpoint, ExecutionVariables.PIPELINE_EXECUTION_ID])
    tags = tag_list(config.launcher, account.owner, **{ENDPOINT: endpoint})
    model = model_step(
        "CreateModel",
        session,
        {
            "ExecutionRoleArn": role_arn,
            "Containers": [{"ModelPackageName": package}],
            "Tags": tags,
        },
    )
    variant = {
        "VariantName": VARIANT,
        "ModelName": model.properties.ModelName,
        "InstanceType": deploy.instance_type,
        "InitialInstanceCount": deploy.instance_count,
        "InitialVariantWeight": 1.0,
        "ContainerStartupHealthCheckTimeoutInSeconds": 60 * deploy.startup_minutes,
    }
    configuration = EndpointConfigStep(
        "CreateConfig",
        step_args=session.create_endpoint_config(
            name=name, production_variants=[variant], tags=tags
        ),
    )
    serve = EndpointStep(
        "Deploy",
        step_args=session.create_endpoint(
            endpoint_name=endpoint,
            config_name=configuration.properties.EndpointConfigName,
            tags=tags,
        ),
    )
    return Pipeline(
        name=f"{config.pipeline.name}-deploy",
        parameters=[package],
        pipeline_experiment_config=None,
        steps=[model, configuration, serve],
        sagemaker_session=session,
    )
