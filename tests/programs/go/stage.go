package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
)

// house is what all programs share: a client for each address.
type house struct {
	clients []client.Client
	turn    atomic.Int64
}

func open(addresses []string) (*house, error) {
	house := &house{}
	logger := log.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	for _, address := range addresses {
		made, err := client.Dial(client.Options{HostPort: address, Logger: logger})
		if err != nil {
			return nil, err
		}
		house.clients = append(house.clients, made)
	}
	return house, nil
}

// stage is where one program plays: a task queue of its own.
type stage struct {
	*house
	queue string
}

func (h *house) stage() *stage { return &stage{h, unique("q")} }

// client is the next address's.
func (s *stage) client() client.Client {
	return s.clients[int(s.turn.Add(1))%len(s.clients)]
}

// work starts a worker of all workflows and activities at the first address; the caller stops it.
func (s *stage) work() (worker.Worker, error) {
	made := worker.New(s.clients[0], s.queue, worker.Options{
		WorkerStopTimeout: time.Second,
		// A heartbeat's answer tells of a cancellation; the SDK would send one each sixteen seconds.
		MaxHeartbeatThrottleInterval: 200 * time.Millisecond,
		// A second is little on a machine that has much to do.
		DeadlockDetectionTimeout: 20 * time.Second,
	})
	register(made)
	return made, made.Start()
}

func (s *stage) options(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: s.queue}
}

// query asks the current run.
func query[T any](ctx context.Context, s *stage, id, name string, arguments ...any) (T, error) {
	var answer T
	value, err := s.client().QueryWorkflow(ctx, id, "", name, arguments...)
	if err == nil {
		err = value.Get(&answer)
	}
	return answer, err
}

// update waits for its result.
func update[T any](ctx context.Context, s *stage, id, name string, arguments ...any) (T, error) {
	var answer T
	handle, err := s.client().UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: arguments, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &answer)
	}
	return answer, err
}

// eventually waits until the probe holds.
func eventually(ctx context.Context, what string, probe func() (bool, error)) error {
	for {
		if holds, err := probe(); err != nil || holds {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("never: %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *stage) reaches(ctx context.Context, id, status string) error {
	return eventually(ctx, status, func() (bool, error) {
		found, err := query[string](ctx, s, id, "status")
		return found == status, err
	})
}

func unique(prefix string) string { return prefix + "-" + uuid.NewString()[:13] }
