"""Counts of runs, as a whole and in groups."""

from ..driver import Driver, refused
from ..population import populated
from ..registry import cases, scenario
from .lists import filled


@cases({
    "status": "GROUP BY ExecutionStatus",
    "status-of-some": "WorkflowType = 'order' GROUP BY ExecutionStatus",
    "status-of-open": "WorkflowType = 'Seq' AND CloseTime IS NULL GROUP BY ExecutionStatus",
    "status-of-none": "WorkflowType = 'Nobody' GROUP BY ExecutionStatus",
    "status-of-hidden": "TemporalNamespaceDivision = 'secret' GROUP BY ExecutionStatus",
    "small-words": "group by ExecutionStatus",
    "backquoted": "GROUP BY `ExecutionStatus`",
    "division": "GROUP BY TemporalNamespaceDivision",
    "division-without-prefix": "TemporalNamespaceDivision IS NOT NULL GROUP BY NamespaceDivision",
    "type": "GROUP BY WorkflowType",
    "keyword": "GROUP BY CustomKeyword",
    "keyword-list": "GROUP BY CustomList",
    "bool": "GROUP BY CustomBool",
    "int": "GROUP BY CustomInt",
    "text": "GROUP BY CustomText",
    "datetime": "GROUP BY StartTime",
    "unknown": "GROUP BY NoSuch",
    "small-name": "GROUP BY executionstatus",
    "two": "GROUP BY ExecutionStatus, WorkflowType",
    "status-twice": "GROUP BY ExecutionStatus, ExecutionStatus",
    "quoted": "GROUP BY 'ExecutionStatus'",
    "number": "GROUP BY 1",
    "nothing": "GROUP BY",
    "before-the-condition": "GROUP BY ExecutionStatus WHERE WorkflowType = 'order'",
    "having": "GROUP BY ExecutionStatus HAVING ExecutionStatus = 'Running'",
    "order-by": "GROUP BY ExecutionStatus ORDER BY ExecutionStatus",
    "order-by-only": "ORDER BY StartTime",
    "limit": "GROUP BY ExecutionStatus LIMIT 1",
})
async def grouped(s: Driver, text: str):
    s, population = await populated(s)
    await refused(s.call("CountWorkflowExecutions", query=filled(population, text)))


@scenario
async def of_an_empty_namespace(s: Driver):
    for text in ("WorkflowType = 'there-is-none'", "WorkflowType = 'there-is-none' GROUP BY ExecutionStatus"):
        await s.call("CountWorkflowExecutions", query=text)
