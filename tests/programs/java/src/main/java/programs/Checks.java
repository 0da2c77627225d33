package programs;

import static programs.Errors.kindOf;
import static programs.Stage.eventually;
import static programs.Stage.unique;

import io.temporal.api.enums.v1.WorkflowIdConflictPolicy;
import io.temporal.client.ActivityCompletionClient;
import io.temporal.client.UpdateOptions;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowQueryException;
import io.temporal.client.WorkflowStub;
import io.temporal.client.WorkflowUpdateStage;
import io.temporal.common.RetryOptions;
import io.temporal.failure.ApplicationFailure;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Programs that look at one thing each. */
final class Checks {
  private Checks() {}

  static Object retriedWorkflow(Stage stage) {
    stage.work();
    RetryOptions twice =
        RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(200)).setMaximumAttempts(3).build();
    return stage
        .start("Flaky", stage.options(unique("flaky")).setRetryOptions(twice).build())
        .getResult(String.class);
  }

  /** Gets results of later runs, and cancels and terminates them, through what the start returned. */
  static Object handleOutlivesItsRun(Stage stage) throws Exception {
    stage.work();
    WorkflowStub ending = stage.start("Chain", 3, false);
    WorkflowStub cancelled = stage.start("Chain", 2, true);
    WorkflowStub terminated = stage.start("Chain", 2, true);
    eventually(() -> isLast(stage, cancelled) && isLast(stage, terminated));
    cancelled.cancel();
    terminated.terminate("enough");
    return List.of(
        ending.getResult(String.class),
        kindOf(() -> cancelled.getResult(String.class)),
        kindOf(() -> terminated.getResult(String.class)));
  }

  /** Whether the current run is the one that waits. */
  private static boolean isLast(Stage stage, WorkflowStub stub) {
    return stage.client().fetchHistory(stub.getExecution().getWorkflowId()).getEvents().stream()
        .anyMatch(event -> event.hasTimerStartedEventAttributes());
  }

  static Object cancellation(Stage stage) throws Exception {
    stage.work();
    WorkflowStub patient = stage.start("Patient");
    String id = patient.getExecution().getWorkflowId();
    eventually(
        () ->
            stage.current(id).describe().getRawDescription().getPendingActivitiesList().stream()
                .anyMatch(activity -> activity.hasHeartbeatDetails()));
    stage.current(id).cancel();
    return List.of(kindOf(() -> patient.getResult(Void.class)), stage.current(id).query("status", String.class));
  }

  /** Starts workflows by signal and by update, each also when the workflow is there already. */
  static Object startWithMessage(Stage stage) {
    stage.work();
    String id = unique("ledger");
    Set<String> runs = new HashSet<>();
    for (String line : List.of("a", "b", "c")) {
      WorkflowStub stub = stage.client().newUntypedWorkflowStub("Ledger", stage.options(id).build());
      runs.add(stub.signalWithStart("write", new Object[] {line}, new Object[] {}).getRunId());
    }
    List<?> lines = stage.current(id).query("lines", List.class);
    stage.current(id).signal("close");
    return Map.of("runs", runs.size(), "lines", lines, "counts", startWithUpdates(stage));
  }

  private static List<Integer> startWithUpdates(Stage stage) {
    WorkflowOptions options =
        stage
            .options(unique("ledger"))
            .setWorkflowIdConflictPolicy(WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING)
            .build();
    List<Integer> counts = new ArrayList<>();
    for (String line : List.of("a", "b")) {
      UpdateOptions<Integer> update =
          UpdateOptions.newBuilder(Integer.class)
              .setUpdateName("enter")
              .setWaitForStage(WorkflowUpdateStage.ACCEPTED)
              .build();
      counts.add(
          stage
              .client()
              .newUntypedWorkflowStub("Ledger", options)
              .startUpdateWithStart(update, new Object[] {line}, new Object[] {})
              .getResult());
    }
    stage.current(options.getWorkflowId()).signal("close");
    return counts;
  }

  /** Answers one activity and fails another, from outside of the worker. */
  static Object asynchronousCompletion(Stage stage) throws Exception {
    stage.work();
    WorkflowStub answered = stage.start("Asks");
    WorkflowStub unanswered = stage.start("Asks");
    ActivityCompletionClient outside = stage.client().newActivityCompletionClient();
    outside.complete(question(answered), "forty-two");
    outside.completeExceptionally(question(unanswered), ApplicationFailure.newFailure("no idea", "Clueless"));
    return List.of(answered.getResult(String.class), kindOf(() -> unanswered.getResult(String.class)));
  }

  private static byte[] question(WorkflowStub stub) throws InterruptedException {
    String id = stub.getExecution().getWorkflowId();
    eventually(() -> Activities.Impl.QUESTIONS.containsKey(id));
    return Activities.Impl.QUESTIONS.get(id);
  }

  static Object longLocalActivity(Stage stage) {
    stage.work();
    WorkflowOptions options =
        stage.options(unique("local")).setWorkflowTaskTimeout(Duration.ofSeconds(2)).build();
    return stage.start("Local", options).getResult(String.class);
  }

  static Object timeOuts(Stage stage) {
    stage.work();
    return stage.start("Late").getResult(List.class);
  }

  /** Makes each mistake once. */
  static Object errorsOfClients(Stage stage) {
    stage.work();
    WorkflowOptions options = stage.options(unique("ledger")).build();
    String id = options.getWorkflowId();
    WorkflowStub ledger = stage.start("Ledger", options);
    Map<String, String> found = new TreeMap<>();
    found.put("started again", kindOf(() -> stage.start("Ledger", options)));
    found.put("no such query", kindOf(() -> stage.current(id).query("no such query", String.class)));
    found.put("no such update", kindOf(() -> stage.current(id).update("no such update", String.class)));
    found.put("refused", kindOf(() -> stage.current(id).update("refuse", Void.class)));
    found.put("terminate", kindOf(() -> stage.current(id).terminate("seen enough")));
    found.put("terminated", kindOf(() -> ledger.getResult(Integer.class)));
    found.put("signal after the end", kindOf(() -> stage.current(id).signal("write", "late")));
    found.put("signal to nobody", kindOf(() -> stage.current("nobody").signal("write", "lost")));
    found.put("cancel after the end", kindOf(() -> stage.current(id).cancel()));
    found.put("result of nobody", kindOf(() -> stage.current("nobody").getResult(Integer.class)));
    String run = ledger.getExecution().getRunId();
    found.replaceAll((mistake, kind) -> kind.replace(id, "ID").replace(run, "RUN"));
    return found;
  }

  /** Has a workflow go on with a worker that has never seen it. */
  static Object replayByAnotherWorker(Stage stage) throws Exception {
    stage.work();
    WorkflowStub ledger = stage.start("Ledger");
    String id = ledger.getExecution().getWorkflowId();
    for (int n = 0; n < 20; n++) {
      if (n < 5) {
        stage.current(id).update("enter", Integer.class, Integer.toString(n));
      } else {
        stage.current(id).signal("write", Integer.toString(n));
      }
    }
    List<?> before = stage.current(id).query("lines", List.class);
    stage.stopWorker();
    stage.work();
    List<Object> after = new ArrayList<>();
    // A query that meets a poll which the first worker just gave up fails.
    eventually(
        () -> {
          try {
            return after.addAll(stage.current(id).query("lines", List.class));
          } catch (WorkflowQueryException failed) {
            return false;
          }
        });
    stage.current(id).signal("close");
    return Map.of("before", before, "after", after, "count", ledger.getResult(Integer.class));
  }
}
