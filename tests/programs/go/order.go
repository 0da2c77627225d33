package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

type Request struct {
	Item    string `json:"item"`
	Address string `json:"address"`
}

type Receipt struct {
	Number   string   `json:"number"`
	Version  int      `json:"version"`
	Discount int      `json:"discount"`
	Payment  string   `json:"payment"`
	Tip      int      `json:"tip"`
	Address  string   `json:"address"`
	Delivery []string `json:"delivery"`
	Tracking string   `json:"tracking"`
	Reminder string   `json:"reminder"`
}

// order is the state of the workflow Order: created, paid, on the way, delivered.
type order struct {
	id      string
	status  string
	receipt Receipt
}

// Order goes from checkout to doorstep.
func Order(ctx workflow.Context, request Request) (Receipt, error) {
	o := &order{id: workflow.GetInfo(ctx).WorkflowExecution.ID, status: "created"}
	o.receipt.Address = request.Address
	ctx = withPatience(ctx)
	if err := o.listen(ctx); err != nil {
		return o.receipt, err
	}
	if err := o.checkout(ctx, request); err != nil {
		return o.receipt, err
	}
	if err := o.awaitPickup(ctx); err != nil {
		return o.receipt, err
	}
	err := o.deliver(ctx)
	return o.receipt, err
}

// withPatience gives activities time enough for another node to take over, and soon another attempt.
func withPatience(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		HeartbeatTimeout:    20 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: time.Second},
	})
}

// listen sets the handlers of queries and updates.
func (o *order) listen(ctx workflow.Context) error {
	return errors.Join(
		workflow.SetQueryHandler(ctx, "status", func() (string, error) { return o.status, nil }),
		workflow.SetUpdateHandlerWithOptions(ctx, "changeTip",
			func(_ workflow.Context, cents int) (int, error) {
				before := o.receipt.Tip
				o.receipt.Tip = cents
				return before, nil
			},
			workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, cents int) error {
				if cents < 0 {
					return temporal.NewApplicationError("a tip cannot be negative", "InvalidTip")
				}
				return nil
			}}),
		workflow.SetUpdateHandler(ctx, "changeAddress", func(ctx workflow.Context, address string) (string, error) {
			err := workflow.ExecuteActivity(withPatience(ctx), "checkAddress", address).Get(ctx, &o.receipt.Address)
			return o.receipt.Address, err
		}),
	)
}

// checkout leaves markers of each kind, and charges the customer.
func (o *order) checkout(ctx workflow.Context, request Request) error {
	o.receipt.Version = int(workflow.GetVersion(ctx, "prices", workflow.DefaultVersion, 2))
	number := workflow.SideEffect(ctx, func(workflow.Context) any { return "number of " + o.id })
	if err := number.Get(&o.receipt.Number); err != nil {
		return err
	}
	same := func(a, b any) bool { return a == b }
	for _, percent := range []int{10, 10, 15} {
		discount := workflow.MutableSideEffect(ctx, "discount", func(workflow.Context) any { return percent }, same)
		if err := discount.Get(&o.receipt.Discount); err != nil {
			return err
		}
	}
	local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: 10 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond},
	})
	var cents int
	if err := workflow.ExecuteLocalActivity(local, quote, request.Item).Get(ctx, &cents); err != nil {
		return err
	}
	if err := workflow.ExecuteActivity(ctx, "charge", o.id, cents).Get(ctx, &o.receipt.Payment); err != nil {
		return err
	}
	o.status = "paid"
	return workflow.UpsertMemo(ctx, map[string]any{"paid": cents})
}

// awaitPickup takes the signal before the time is up.
func (o *order) awaitPickup(ctx workflow.Context) error {
	timer, stop := workflow.WithCancel(ctx)
	var err error
	workflow.NewSelector(ctx).
		AddReceive(workflow.GetSignalChannel(ctx, "pickedUp"), func(c workflow.ReceiveChannel, _ bool) {
			c.Receive(ctx, nil)
			stop()
		}).
		AddFuture(workflow.NewTimer(timer, 10*time.Minute), func(workflow.Future) {
			err = temporal.NewApplicationError("nobody came", "NotPickedUp")
		}).
		Select(ctx)
	return err
}

// deliver has two children and a long activity at work until the signal comes; it ends each in another way.
func (o *order) deliver(ctx workflow.Context) error {
	tracking, stopTracking := workflow.WithCancel(ctx)
	tracked := workflow.ExecuteActivity(tracking, "track", o.id)
	delivery := workflow.ExecuteChildWorkflow(
		workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: o.id + "/delivery"}), "Delivery", 1, []string{})
	if err := delivery.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return err
	}
	reminding, stopReminding := workflow.WithCancel(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: o.id + "/reminder", WaitForCancellation: true,
	}))
	reminder := workflow.ExecuteChildWorkflow(reminding, "Reminder")
	if err := reminder.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return err
	}
	o.status = "on the way"
	workflow.GetSignalChannel(ctx, "delivered").Receive(ctx, nil)

	if err := delivery.SignalChildWorkflow(ctx, "handOver", o.receipt.Address).Get(ctx, nil); err != nil {
		return err
	}
	if err := delivery.Get(ctx, &o.receipt.Delivery); err != nil {
		return err
	}
	stopTracking()
	o.receipt.Tracking = outcome(tracked.Get(ctx, nil))
	stopReminding()
	o.receipt.Reminder = outcome(reminder.Get(ctx, nil))
	if err := workflow.Sleep(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	o.status = "delivered"
	return nil
}

func outcome(err error) string {
	var canceled *temporal.CanceledError
	switch {
	case err == nil:
		return "completed"
	case errors.As(err, &canceled):
		return "canceled"
	default:
		return err.Error()
	}
}

// Delivery drives three legs, each in a run of its own. The first begins when the parcel is handed over.
func Delivery(ctx workflow.Context, leg int, done []string) ([]string, error) {
	if leg == 1 {
		var address string
		workflow.GetSignalChannel(ctx, "handOver").Receive(ctx, &address)
		done = append(done, "to "+address)
	}
	ctx = withPatience(ctx)
	var driven string
	if err := workflow.ExecuteActivity(ctx, "drive", leg).Get(ctx, &driven); err != nil {
		return nil, err
	}
	done = append(done, driven)
	if leg < 3 {
		return nil, workflow.NewContinueAsNewError(ctx, "Delivery", leg+1, done)
	}
	return done, nil
}

// Reminder would come in an hour.
func Reminder(ctx workflow.Context) error {
	return workflow.Sleep(ctx, time.Hour)
}

// playOrder leads an order through its life and stops at the points "paid" and "on the way".
func playOrder(ctx context.Context, stage *stage) (any, error) {
	worker, err := stage.work()
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	id := unique("order")
	options := stage.options(id)
	options.Memo = map[string]any{"by": "Ann"}
	run, err := stage.client().ExecuteWorkflow(ctx, options, "Order", Request{"Espresso machine", "Main Street 1"})
	if err != nil {
		return nil, err
	}
	if err := stage.reaches(ctx, id, "paid"); err != nil {
		return nil, err
	}
	_, negative := update[int](ctx, stage, id, "changeTip", -1)
	before, err := update[int](ctx, stage, id, "changeTip", 200)
	if err != nil {
		return nil, fmt.Errorf("the first tip: %w", err)
	}
	if err := pause("paid", id); err != nil {
		return nil, err
	}
	between, err := update[int](ctx, stage, id, "changeTip", 300)
	if err != nil {
		return nil, fmt.Errorf("the second tip: %w", err)
	}
	if err := stage.client().SignalWorkflow(ctx, id, "", "pickedUp", nil); err != nil {
		return nil, err
	}
	if err := stage.reaches(ctx, id, "on the way"); err != nil {
		return nil, err
	}
	if err := pause("on the way", id); err != nil {
		return nil, err
	}
	address, err := update[string](ctx, stage, id, "changeAddress", "Side Street 2")
	if err != nil {
		return nil, fmt.Errorf("the address: %w", err)
	}
	if err := stage.client().SignalWorkflow(ctx, id, "", "delivered", nil); err != nil {
		return nil, err
	}
	var receipt Receipt
	if err := run.Get(ctx, &receipt); err != nil {
		return nil, err
	}
	after, err := query[string](ctx, stage, id, "status")
	if err != nil {
		return nil, err
	}
	paid, err := memo(ctx, stage.client(), id)
	return map[string]any{
		"workflow": id, "receipt": receipt, "negative": kindOf(negative), "tips": []int{before, between},
		"address": address, "after": after, "paid": paid,
	}, err
}

// memo reads what the workflow has noted beside what its starter did.
func memo(ctx context.Context, client client.Client, id string) (string, error) {
	described, err := client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return "", err
	}
	fields := described.GetWorkflowExecutionInfo().GetMemo().GetFields()
	return fmt.Sprintf("by %s: %s", fields["by"].GetData(), fields["paid"].GetData()), nil
}
