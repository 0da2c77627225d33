package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func register(w worker.Worker) {
	for name, function := range map[string]any{
		"Order": Order, "Delivery": Delivery, "Reminder": Reminder, "Flaky": Flaky, "Chain": Chain, "Patient": Patient,
		"Ledger": Ledger, "Asks": Asks, "Local": Local, "Late": Late,
	} {
		w.RegisterWorkflowWithOptions(function, workflow.RegisterOptions{Name: name})
	}
	for name, function := range map[string]any{
		"quote": quote, "charge": charge, "drive": drive, "track": track, "checkAddress": checkAddress, "ask": ask,
		"dawdle": dawdle, "release": release, "ponder": ponder,
	} {
		w.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
}

// quote is used as a local activity; the price list cannot be read at first.
func quote(ctx context.Context, item string) (int, error) {
	if activity.GetInfo(ctx).Attempt == 1 {
		return 0, errors.New("the price list is locked")
	}
	return 100 * len(item), nil
}

// charge finds the payment provider down at the first two attempts.
func charge(ctx context.Context, order string, cents int) (string, error) {
	if attempt := activity.GetInfo(ctx).Attempt; attempt <= 2 {
		return "", temporal.NewApplicationError(fmt.Sprintf("provider is down (attempt %d)", attempt), "ProviderDown")
	}
	return fmt.Sprintf("%s paid %d", order, cents), nil
}

// drive breaks down half-way; the next attempt goes on where the last one told that it stood.
func drive(ctx context.Context, leg int) (string, error) {
	from := 0
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &from); err != nil {
			return "", err
		}
	}
	for at := from; at < 10; at++ {
		activity.RecordHeartbeat(ctx, at)
		if at == 5 && from == 0 {
			return "", errors.New("a flat tyre")
		}
	}
	return fmt.Sprintf("leg %d from %d", leg, from), nil
}

// track runs until it is cancelled, and then tells so.
func track(ctx context.Context, order string) error {
	for tick := 0; ; tick++ {
		select {
		case <-ctx.Done():
			return temporal.NewCanceledError(order)
		case <-time.After(100 * time.Millisecond):
			activity.RecordHeartbeat(ctx, tick)
		}
	}
}

func checkAddress(_ context.Context, address string) (string, error) {
	return address + ", checked", nil
}

// ask leaves its answer to somebody who knows the token or the workflow and the activity's id.
func ask(ctx context.Context) (string, error) {
	return "", activity.ErrResultPending
}

// dawdle takes longer than it may.
func dawdle(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func release(_ context.Context, item string) (string, error) {
	return item + " is back on the shelf", nil
}

// ponder is used as a local activity that lasts longer than a workflow task.
func ponder(_ context.Context, ms int) (string, error) {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return "pondered", nil
}
