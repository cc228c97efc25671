"""AWS's Price List API, as far as GetProducts is called for SageMaker's instances.

The documents have the form of the real ones: each a JSON text, the uses of an instance side by
side, some without on-demand terms. The prices are invented, so that no table has them by chance.
"""

import json
from typing import Any

# Component, code in the usage type, dollars per hour relative to training.
USES = (
    ("Hosting", "Host", 1.5),
    ("Training", "Train", 1.0),
    ("Notebook", "Notebk", 0.5),
    ("Studio-JupyterLab", "Studio:JupyterLab", 0.25),
    ("SpotTraining", "SpotTrain", 0.1),
)
PREFIXES = {"us-east-1": "USE1", "eu-west-1": "EU"}
VCPUS = {"large": 2, "xlarge": 4, "2xlarge": 8}
USD_PER_VCPU = 0.0777


def get_products(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to GetProducts."""
    wanted = {each["Field"]: each["Value"] for each in request.get("Filters", ())}
    found = []
    if request["ServiceCode"] == "AmazonSageMaker" and wanted.get("regionCode") in PREFIXES:
        size = wanted["instanceName"].rpartition(".")[2]
        if size in VCPUS:
            found = [_product(wanted["instanceName"], wanted["regionCode"], use) for use in USES]
    start = int(request.get("NextToken", 0))
    end = start + min(request.get("MaxResults", 100), 3)  # small pages, whatever MaxResults says
    answer: dict[str, Any] = {
        "FormatVersion": "aws_v1",
        "PriceList": [json.dumps(each) for each in found[start:end]],
    }
    if end < len(found):
        answer["NextToken"] = str(end)
    return answer


def _product(name: str, region: str, use: tuple[str, str, float]) -> dict[str, Any]:
    component, code, share = use
    vcpus = VCPUS[name.rpartition(".")[2]]
    sku = f"{component.upper()[:8]}{vcpus}"
    usd = vcpus * USD_PER_VCPU * share
    usage = f"{PREFIXES[region]}-{code}{'-' if ':' in code else ':'}{name}"
    dimension = {
        "unit": "Hrs",
        "endRange": "Inf",
        "description": f"${usd} per {component} {name} hour",
        "appliesTo": [],
        "rateCode": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
        "beginRange": "0",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    term = {
        "priceDimensions": {dimension["rateCode"]: dimension},
        "sku": sku,
        "effectiveDate": "2026-11-01T00:00:00Z",
        "offerTermCode": "JRTCKXETXF",
        "termAttributes": {},
    }
    attributes = {
        "instanceName": name,
        "instanceType": f"{name}-{component}",
        "vCpu": str(vcpus),
        "memory": f"{4 * vcpus} GiB",
        "gpu": "N/A",
        "component": component,
        "platoinstancetype": component,
        "regionCode": region,
        "locationType": "AWS Region",
        "servicecode": "AmazonSageMaker",
        "usagetype": usage,
        "operation": "RunInstance",
    }
    return {
        "product": {"productFamily": "ML Instance", "attributes": attributes, "sku": sku},
        "serviceCode": "AmazonSageMaker",
        "terms": {} if component == "SpotTraining" else {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }
