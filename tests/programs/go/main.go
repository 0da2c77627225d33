// The programs of the Go SDK, a worker and its clients in one process:
//
//	programs ADDRESS,ADDRESS,... NAME...
//
// runs the programs of these names, some at a time, and prints a line of JSON for each: name, error or none, result.
// The worker talks to the first address, clients take the addresses in turn. A program that stops at a point says so,
// {"at": "paid", "workflow": "order-..."}, and goes on when it reads a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// A program's result is what the test compares with that of other servers and languages.
type program func(ctx context.Context, stage *stage) (any, error)

var programs = map[string]program{
	"order":                    playOrder,
	"retried workflow":         retriedWorkflow,
	"handle outlives its run":  handleOutlivesItsRun,
	"cancellation":             cancellation,
	"start with a message":     startWithMessage,
	"asynchronous completion":  asynchronousCompletion,
	"long local activity":      longLocalActivity,
	"time-outs":                timeOuts,
	"errors of clients":        errorsOfClients,
	"replay by another worker": replayByAnotherWorker,
}

const (
	atOnce = 4
	limit  = 90 * time.Second
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: programs ADDRESS,ADDRESS,... NAME...")
		os.Exit(2)
	}
	if err := run(strings.Split(os.Args[1], ","), os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(addresses, names []string) error {
	for _, name := range names {
		if programs[name] == nil {
			return fmt.Errorf("there is no program %q", name)
		}
	}
	house, err := open(addresses)
	if err != nil {
		return err
	}
	waiting := make(chan string)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for name := range waiting {
				perform(house, name, programs[name])
			}
		})
	}
	for _, name := range names {
		waiting <- name
	}
	close(waiting)
	all.Wait()
	return nil
}

func perform(house *house, name string, play program) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	result, err := play(ctx, house.stage())
	told := map[string]any{"name": name, "error": nil, "result": result}
	if err != nil {
		told["error"] = err.Error()
	}
	tell(told)
}

var (
	out   sync.Mutex
	lines = bufio.NewScanner(os.Stdin)
)

func tell(what any) {
	line, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	out.Lock()
	defer out.Unlock()
	fmt.Println(string(line))
}

// pause stops the program at a named point until the test lets it go on.
func pause(at, workflow string) error {
	tell(map[string]string{"at": at, "workflow": workflow})
	if !lines.Scan() {
		return fmt.Errorf("nobody says that it goes on after %q", at)
	}
	return nil
}
