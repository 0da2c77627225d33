/** Carries the header `caller` from a workflow to its activities and children. */
import type { WorkflowInterceptors } from '@temporalio/workflow';

export function interceptors(): WorkflowInterceptors {
  let caller: Record<string, never> = {};
  return {
    inbound: [{
      async execute(input, next) {
        if (input.headers.caller) caller = { caller: input.headers.caller as never };
        return await next(input);
      },
    }],
    outbound: [{
      scheduleActivity: async (input, next) => await next({ ...input, headers: { ...input.headers, ...caller } }),
      startChildWorkflowExecution: async (input, next) => await next({ ...input, headers: { ...input.headers, ...caller } }),
    }],
  };
}
