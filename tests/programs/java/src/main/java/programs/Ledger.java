package programs;

import io.temporal.failure.ApplicationFailure;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.UpdateMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.util.ArrayList;
import java.util.List;

/** Takes lines by signal and by update until it is closed. */
@WorkflowInterface
public interface Ledger {
  @WorkflowMethod(name = "Ledger")
  int run();

  @SignalMethod
  void write(String line);

  @UpdateMethod
  int enter(String line);

  @UpdateMethod
  void refuse();

  @SignalMethod
  void close();

  @QueryMethod
  List<String> lines();

  final class Impl implements Ledger {
    private final List<String> lines = new ArrayList<>();
    private boolean closed;

    @Override
    public int run() {
      Workflow.await(() -> closed);
      return lines.size();
    }

    @Override
    public void write(String line) {
      lines.add(line);
    }

    @Override
    public int enter(String line) {
      lines.add(line);
      return lines.size();
    }

    @Override
    public void refuse() {
      throw ApplicationFailure.newFailure("not in this ledger", "Refused", "a detail", 7);
    }

    @Override
    public void close() {
      closed = true;
    }

    @Override
    public List<String> lines() {
      return lines;
    }
  }
}
