package programs;

import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.worker.Worker;
import io.temporal.worker.WorkerFactory;
import io.temporal.worker.WorkerOptions;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Where one program plays: a task queue of its own, and a worker that ends with the program. */
final class Stage implements AutoCloseable {
  final String queue = unique("q");
  private final House house;
  private WorkerFactory worker;

  Stage(House house) {
    this.house = house;
  }

  /** Starts a worker of all workflows and activities at the first address. */
  Stage work() {
    worker = WorkerFactory.newInstance(house.clients().get(0));
    WorkerOptions options =
        WorkerOptions.newBuilder()
            // A heartbeat's answer tells of a cancellation; the SDK would send one each sixteen seconds.
            .setMaxHeartbeatThrottleInterval(Duration.ofMillis(200))
            // A second is little on a machine that has much to do.
            .setDefaultDeadlockDetectionTimeout(20_000)
            .build();
    Worker made = worker.newWorker(queue, options);
    made.registerWorkflowImplementationTypes(
        Order.Impl.class, Delivery.Impl.class, Reminder.Impl.class, Flaky.Impl.class, Chain.Impl.class,
        Patient.Impl.class, Ledger.Impl.class, Asks.Impl.class, Local.Impl.class, Late.Impl.class);
    made.registerActivitiesImplementations(new Activities.Impl());
    worker.start();
    return this;
  }

  void stopWorker() {
    if (worker != null) {
      worker.shutdownNow();
      worker.awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  @Override
  public void close() {
    stopWorker();
  }

  WorkflowClient client() {
    return house.next();
  }

  WorkflowOptions.Builder options(String id) {
    return WorkflowOptions.newBuilder().setWorkflowId(id).setTaskQueue(queue);
  }

  WorkflowStub start(String workflow, WorkflowOptions options, Object... arguments) {
    WorkflowStub stub = client().newUntypedWorkflowStub(workflow, options);
    stub.start(arguments);
    return stub;
  }

  WorkflowStub start(String workflow, Object... arguments) {
    return start(workflow, options(unique(workflow)).build(), arguments);
  }

  /** The current run, at the next address. */
  WorkflowStub current(String id) {
    return client().newUntypedWorkflowStub(id);
  }

  void reaches(String id, String status) throws InterruptedException {
    eventually(() -> current(id).query("status", String.class).equals(status));
  }

  interface Probe {
    boolean holds();
  }

  /** Waits until the probe holds; the program's limit ends it. */
  static void eventually(Probe probe) throws InterruptedException {
    while (!probe.holds()) {
      Thread.sleep(50);
    }
  }

  static String unique(String prefix) {
    return prefix + "-" + UUID.randomUUID().toString().substring(0, 13);
  }
}
