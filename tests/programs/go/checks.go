package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Flaky fails at its first two attempts.
func Flaky(ctx workflow.Context) (string, error) {
	if attempt := workflow.GetInfo(ctx).Attempt; attempt <= 2 {
		return "", temporal.NewApplicationError(fmt.Sprintf("attempt %d", attempt), "Flaky")
	}
	return "the third time", nil
}

func retriedWorkflow(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	options := stage.options(unique("flaky"))
	options.RetryPolicy = &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumAttempts: 3}
	run, err := stage.client().ExecuteWorkflow(ctx, options, "Flaky")
	if err != nil {
		return nil, err
	}
	var result string
	return &result, run.Get(ctx, &result)
}

// Chain is run anew until nothing is left, then waits an hour if it is told to.
func Chain(ctx workflow.Context, left int, waits bool) (string, error) {
	if left > 0 {
		return "", workflow.NewContinueAsNewError(ctx, "Chain", left-1, waits)
	}
	if waits {
		return "", workflow.Sleep(ctx, time.Hour)
	}
	return "the last run", nil
}

// handleOutlivesItsRun gets results of later runs, and cancels and terminates them, through what the start returned.
func handleOutlivesItsRun(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	run, err := stage.client().ExecuteWorkflow(ctx, stage.options(unique("chain")), "Chain", 3, false)
	if err != nil {
		return nil, err
	}
	var result string
	if err := run.Get(ctx, &result); err != nil {
		return nil, err
	}
	ends := []string{result}
	for _, end := range []func(client.Client, client.WorkflowRun) error{
		func(c client.Client, run client.WorkflowRun) error {
			return c.CancelWorkflowWithOptions(ctx, client.CancelWorkflowOptions{
				WorkflowID: run.GetID(), RunID: run.GetRunID(), FirstExecutionRunID: run.GetRunID(),
			})
		},
		func(c client.Client, run client.WorkflowRun) error {
			return c.TerminateWorkflowWithOptions(ctx, client.TerminateWorkflowOptions{
				WorkflowID: run.GetID(), RunID: run.GetRunID(), FirstExecutionRunID: run.GetRunID(), Reason: "enough",
			})
		},
	} {
		run, err := stage.client().ExecuteWorkflow(ctx, stage.options(unique("chain")), "Chain", 2, true)
		if err != nil {
			return nil, err
		}
		if err := eventually(ctx, "the last run", func() (bool, error) { return isLast(ctx, stage.client(), run.GetID()) }); err != nil {
			return nil, err
		}
		if err := end(stage.client(), run); err != nil {
			return nil, err
		}
		ends = append(ends, kindOf(run.Get(ctx, nil)))
	}
	return ends, nil
}

// isLast tells whether the current run is the one that waits.
func isLast(ctx context.Context, client client.Client, id string) (bool, error) {
	events := client.GetWorkflowHistory(ctx, id, "", false, 0)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return false, err
		}
		if event.GetTimerStartedEventAttributes() != nil {
			return true, nil
		}
	}
	return false, nil
}

// Patient is cancelled while it waits for an activity, and cleans up.
func Patient(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: 10 * time.Second, WaitForCancellation: true,
	})
	status := "waits"
	if err := workflow.SetQueryHandler(ctx, "status", func() (string, error) { return status, nil }); err != nil {
		return "", err
	}
	err := workflow.ExecuteActivity(ctx, "track", "parcel").Get(ctx, nil)
	if !temporal.IsCanceledError(err) {
		return "", err
	}
	cleanup, _ := workflow.NewDisconnectedContext(ctx)
	if failed := workflow.ExecuteActivity(cleanup, "release", "the item").Get(cleanup, &status); failed != nil {
		return "", failed
	}
	return "", err
}

func cancellation(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	id := unique("patient")
	run, err := stage.client().ExecuteWorkflow(ctx, stage.options(id), "Patient")
	if err != nil {
		return nil, err
	}
	err = eventually(ctx, "a heartbeat", func() (bool, error) {
		described, err := stage.client().DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return false, err
		}
		pending := described.GetPendingActivities()
		return len(pending) == 1 && pending[0].GetHeartbeatDetails() != nil, nil
	})
	if err != nil {
		return nil, err
	}
	if err := stage.client().CancelWorkflow(ctx, id, ""); err != nil {
		return nil, err
	}
	ended := kindOf(run.Get(ctx, nil))
	status, err := query[string](ctx, stage, id, "status")
	return []string{ended, status}, err
}

// Ledger takes lines by signal and by update until it is closed.
func Ledger(ctx workflow.Context) (int, error) {
	lines, closed := []string{}, false
	write := func(_ workflow.Context, line string) (int, error) {
		lines = append(lines, line)
		return len(lines), nil
	}
	err := errors.Join(
		workflow.SetQueryHandler(ctx, "lines", func() ([]string, error) { return lines, nil }),
		workflow.SetUpdateHandler(ctx, "write", write),
		workflow.SetUpdateHandler(ctx, "refuse", func(workflow.Context) error {
			return temporal.NewApplicationError("not in this ledger", "Refused", "a detail", 7)
		}),
	)
	if err != nil {
		return 0, err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var line string
			workflow.GetSignalChannel(ctx, "write").Receive(ctx, &line)
			lines = append(lines, line)
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		workflow.GetSignalChannel(ctx, "close").Receive(ctx, nil)
		closed = true
	})
	err = workflow.Await(ctx, func() bool { return closed })
	return len(lines), err
}

// startWithMessage starts workflows by signal and by update, each also when the workflow is there already.
func startWithMessage(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	id := unique("ledger")
	runs := map[string]bool{}
	for _, line := range []string{"a", "b", "c"} {
		run, err := stage.client().SignalWithStartWorkflow(ctx, id, "write", line, stage.options(id), "Ledger")
		if err != nil {
			return nil, err
		}
		runs[run.GetRunID()] = true
	}
	lines, err := query[[]string](ctx, stage, id, "lines")
	if err != nil {
		return nil, err
	}
	if err := stage.client().SignalWorkflow(ctx, id, "", "close", nil); err != nil {
		return nil, err
	}
	counts, err := startWithUpdates(ctx, stage)
	return map[string]any{"runs": len(runs), "lines": lines, "counts": counts}, err
}

func startWithUpdates(ctx context.Context, stage *stage) (counts []int, err error) {
	options := stage.options(unique("ledger"))
	options.WorkflowIDConflictPolicy = 2 // use the existing one
	for _, line := range []string{"a", "b"} {
		c := stage.client()
		handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: c.NewWithStartWorkflowOperation(options, "Ledger"),
			UpdateOptions: client.UpdateWorkflowOptions{
				UpdateName: "write", Args: []any{line}, WaitForStage: client.WorkflowUpdateStageAccepted,
			},
		})
		if err != nil {
			return nil, err
		}
		var count int
		if err := handle.Get(ctx, &count); err != nil {
			return nil, err
		}
		counts = append(counts, count)
	}
	return counts, stage.client().SignalWorkflow(ctx, options.ID, "", "close", nil)
}

// Asks has a question to somebody outside.
func Asks(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ActivityID: "question", StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	var answer string
	err := workflow.ExecuteActivity(ctx, "ask").Get(ctx, &answer)
	return answer, err
}

// asynchronousCompletion answers one activity and fails another, from outside of the worker.
func asynchronousCompletion(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	var ends []string
	for _, failure := range []error{nil, temporal.NewApplicationError("no idea", "Clueless")} {
		id := unique("asks")
		run, err := stage.client().ExecuteWorkflow(ctx, stage.options(id), "Asks")
		if err != nil {
			return nil, err
		}
		err = eventually(ctx, "the question is asked", func() (bool, error) {
			err := stage.client().CompleteActivityByID(ctx, "default", id, "", "question", "forty-two", failure)
			var missing *serviceerror.NotFound
			if errors.As(err, &missing) {
				return false, nil
			}
			return true, err
		})
		if err != nil {
			return nil, err
		}
		var answer string
		if err := run.Get(ctx, &answer); err != nil {
			answer = kindOf(err)
		}
		ends = append(ends, answer)
	}
	return ends, nil
}

// Local has a local activity that takes longer than a workflow task may, and one that waits long for its next attempt.
func Local(ctx workflow.Context) (string, error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: 2500 * time.Millisecond},
	})
	var result string
	if err := workflow.ExecuteLocalActivity(ctx, ponder, 3000).Get(ctx, &result); err != nil {
		return "", err
	}
	var cents int
	err := workflow.ExecuteLocalActivity(ctx, quote, "tea").Get(ctx, &cents)
	return fmt.Sprintf("%s, %d", result, cents), err
}

func longLocalActivity(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	options := stage.options(unique("local"))
	options.WorkflowTaskTimeout = 2 * time.Second
	run, err := stage.client().ExecuteWorkflow(ctx, options, "Local")
	if err != nil {
		return nil, err
	}
	var result string
	return &result, run.Get(ctx, &result)
}

// Late asks for more than there is time for, and tells how each ends.
func Late(ctx workflow.Context) ([]string, error) {
	once := &temporal.RetryPolicy{MaximumAttempts: 1}
	var ends []string
	for _, options := range []workflow.ActivityOptions{
		{StartToCloseTimeout: time.Second, RetryPolicy: once},
		{StartToCloseTimeout: time.Minute, HeartbeatTimeout: time.Second, RetryPolicy: once},
		{ScheduleToStartTimeout: time.Second, StartToCloseTimeout: time.Minute, TaskQueue: "nobody"},
		{ScheduleToCloseTimeout: time.Second},
	} {
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), "dawdle").Get(ctx, nil)
		ends = append(ends, kindOf(err))
	}
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowRunTimeout: time.Second})
	return append(ends, kindOf(workflow.ExecuteChildWorkflow(child, "Reminder").Get(ctx, nil))), nil
}

func timeOuts(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	run, err := stage.client().ExecuteWorkflow(ctx, stage.options(unique("late")), "Late")
	if err != nil {
		return nil, err
	}
	var ends []string
	return &ends, run.Get(ctx, &ends)
}

// errorsOfClients makes each mistake once.
func errorsOfClients(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	options := stage.options(unique("ledger"))
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	run, err := stage.client().ExecuteWorkflow(ctx, options, "Ledger")
	if err != nil {
		return nil, err
	}
	_, again := stage.client().ExecuteWorkflow(ctx, options, "Ledger")
	_, noQuery := query[string](ctx, stage, run.GetID(), "no such query")
	_, noUpdate := update[string](ctx, stage, run.GetID(), "no such update")
	_, refused := update[string](ctx, stage, run.GetID(), "refuse")
	terminated := stage.client().TerminateWorkflow(ctx, run.GetID(), "", "seen enough")
	found := map[string]string{
		"started again": kindOf(again), "no such query": kindOf(noQuery), "no such update": kindOf(noUpdate),
		"refused": kindOf(refused), "terminate": kindOf(terminated), "terminated": kindOf(run.Get(ctx, nil)),
		"signal after the end": kindOf(stage.client().SignalWorkflow(ctx, run.GetID(), "", "write", "late")),
		"signal to nobody":     kindOf(stage.client().SignalWorkflow(ctx, "nobody", "", "write", "lost")),
		"cancel after the end": kindOf(stage.client().CancelWorkflow(ctx, run.GetID(), "")),
	}
	for mistake, kind := range found {
		// What there is instead is listed in no order.
		told, _, _ := strings.Cut(kind, " Known")
		found[mistake] = strings.ReplaceAll(told, run.GetID(), "ID")
	}
	return found, nil
}

// replayByAnotherWorker has a workflow go on with a worker that has never seen it.
func replayByAnotherWorker(ctx context.Context, stage *stage) (any, error) {
	first, err := stage.work()
	if err != nil {
		return nil, err
	}
	id := unique("ledger")
	run, err := stage.client().ExecuteWorkflow(ctx, stage.options(id), "Ledger")
	if err != nil {
		return nil, err
	}
	for n := range 20 {
		if n < 5 {
			_, err = update[int](ctx, stage, id, "write", fmt.Sprint(n))
		} else {
			err = stage.client().SignalWorkflow(ctx, id, "", "write", fmt.Sprint(n))
		}
		if err != nil {
			return nil, err
		}
	}
	before, err := query[[]string](ctx, stage, id, "lines")
	first.Stop()
	// All workers of a process share the cache: the second would take over the first one's, contexts that ended with it
	// included.
	worker.PurgeStickyWorkflowCache()
	if err != nil {
		return nil, fmt.Errorf("the first worker's query: %w", err)
	}
	second, err := stage.work()
	if err != nil {
		return nil, fmt.Errorf("the second worker: %w", err)
	}
	defer second.Stop()
	var after []string
	// A query that meets a poll which the first worker just gave up fails.
	err = eventually(ctx, "an answer of the second worker", func() (bool, error) {
		after, err = query[[]string](ctx, stage, id, "lines")
		return err == nil, nil
	})
	if err != nil {
		return nil, err
	}
	if err := stage.client().SignalWorkflow(ctx, id, "", "close", nil); err != nil {
		return nil, err
	}
	var count int
	return map[string]any{"before": before, "after": after, "count": &count}, run.Get(ctx, &count)
}

// kindOf is what an error is, without what differs from run to run.
func kindOf(err error) string {
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	var canceled *temporal.CanceledError
	var terminated *temporal.TerminatedError
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	var missing *serviceerror.NotFound
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &timeout):
		return "timeout: " + timeout.TimeoutType().String()
	case errors.As(err, &canceled):
		return "canceled"
	case errors.As(err, &terminated):
		return "terminated"
	case errors.As(err, &application):
		return "application: " + application.Type() + ": " + application.Message()
	case errors.As(err, &started):
		return "already started"
	case errors.As(err, &missing):
		return "not found: " + missing.Error()
	default:
		return fmt.Sprintf("%T: %v", err, err)
	}
}
