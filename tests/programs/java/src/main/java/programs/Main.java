package programs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The programs of the Java SDK, a worker and its clients in one process: {@code Main ADDRESS,ADDRESS,... NAME...} runs
 * the programs of these names, some at a time, and prints a line of JSON for each: name, error or none, result.
 *
 * <p>The worker talks to the first address, clients take the addresses in turn. A program that stops at a point says so,
 * {@code {"at": "paid", "workflow": "order-..."}}, and goes on when it reads a line.
 */
public final class Main {
  /** A program's result is what the test compares with that of other servers. */
  interface Program {
    Object play(Stage stage) throws Exception;
  }

  private static final Map<String, Program> PROGRAMS =
      Map.of(
          "order", OrderProgram::play,
          "retried workflow", Checks::retriedWorkflow,
          "handle outlives its run", Checks::handleOutlivesItsRun,
          "cancellation", Checks::cancellation,
          "start with a message", Checks::startWithMessage,
          "asynchronous completion", Checks::asynchronousCompletion,
          "long local activity", Checks::longLocalActivity,
          "time-outs", Checks::timeOuts,
          "errors of clients", Checks::errorsOfClients,
          "replay by another worker", Checks::replayByAnotherWorker);

  private static final int AT_ONCE = 4;
  private static final int LIMIT_S = 90;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final BufferedReader LINES = new BufferedReader(new InputStreamReader(System.in));

  private Main() {}

  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length < 2) {
      System.err.println("usage: Main ADDRESS,ADDRESS,... NAME...");
      System.exit(2);
    }
    House house = House.open(List.of(arguments[0].split(",")));
    ExecutorService players = Executors.newFixedThreadPool(AT_ONCE);
    for (String name : List.of(arguments).subList(1, arguments.length)) {
      players.execute(() -> perform(house, name));
    }
    players.shutdown();
    players.awaitTermination(1, TimeUnit.HOURS);
    // A program that was given up may still hold a worker.
    System.exit(0);
  }

  private static void perform(House house, String name) {
    Map<String, Object> told = new LinkedHashMap<>();
    told.put("name", name);
    told.put("error", null);
    Program program = PROGRAMS.get(name);
    try (Stage stage = house.stage()) {
      told.put("result", withinLimit(() -> program.play(stage)));
    } catch (Throwable thrown) {
      told.put("error", stackOf(thrown));
    }
    tell(told);
  }

  private interface Play {
    Object play() throws Exception;
  }

  private static Object withinLimit(Play play) throws Throwable {
    CompletableFuture<Object> result = new CompletableFuture<>();
    Thread playing =
        new Thread(
            () -> {
              try {
                result.complete(play.play());
              } catch (Throwable thrown) {
                result.completeExceptionally(thrown);
              }
            });
    playing.setDaemon(true);
    playing.start();
    try {
      return result.get(LIMIT_S, TimeUnit.SECONDS);
    } catch (ExecutionException failed) {
      throw failed.getCause();
    } catch (TimeoutException late) {
      IllegalStateException where = new IllegalStateException("not done within " + LIMIT_S + " s");
      where.setStackTrace(playing.getStackTrace());
      throw where;
    }
  }

  private static String stackOf(Throwable thrown) {
    StringWriter text = new StringWriter();
    thrown.printStackTrace(new PrintWriter(text));
    return text.toString();
  }

  private static synchronized void tell(Object what) {
    try {
      System.out.println(JSON.writeValueAsString(what));
      System.out.flush();
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  /** Stops the program at a named point until the test lets it go on. */
  static void pause(String at, String workflow) throws Exception {
    tell(Map.of("at", at, "workflow", workflow));
    if (LINES.readLine() == null) {
      throw new IllegalStateException("nobody says that it goes on after " + at);
    }
  }
}
