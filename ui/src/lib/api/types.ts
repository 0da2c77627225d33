//! Messages of the API as its JSON has them, as far as the pages use them. What is a `string` here may be an int64.

export interface Payload {
  metadata?: Record<string, string>
  data?: string
  externalPayloads?: unknown[]
}

export interface Payloads {
  payloads?: Payload[]
}

export interface Execution {
  workflowId: string
  runId: string
}

export interface Named {
  name?: string
}

export interface Failure {
  message?: string
  source?: string
  stackTrace?: string
  encodedAttributes?: Payload
  cause?: Failure
  applicationFailureInfo?: { type?: string; nonRetryable?: boolean; details?: Payloads; nextRetryDelay?: string }
  timeoutFailureInfo?: { timeoutType?: string; lastHeartbeatDetails?: Payloads }
  canceledFailureInfo?: { details?: Payloads }
  terminatedFailureInfo?: object
  serverFailureInfo?: { nonRetryable?: boolean }
  resetWorkflowFailureInfo?: object
  activityFailureInfo?: { activityId?: string; activityType?: Named; identity?: string; retryState?: string }
  childWorkflowExecutionFailureInfo?: { workflowExecution?: Execution; workflowType?: Named }
  nexusOperationExecutionFailureInfo?: object
  nexusHandlerFailureInfo?: object
}

export interface SearchAttributes {
  indexedFields?: Record<string, Payload>
}

export interface WorkflowInfo {
  execution: Execution
  type: Named
  startTime?: string
  closeTime?: string
  executionTime?: string
  status: string
  historyLength?: string
  historySizeBytes?: string
  stateTransitionCount?: string
  executionDuration?: string
  taskQueue?: string
  memo?: { fields?: Record<string, Payload> }
  searchAttributes?: SearchAttributes
  parentNamespaceId?: string
  parentExecution?: Execution
  rootExecution?: Execution
  firstRunId?: string
  assignedBuildId?: string
  versioningInfo?: { behavior?: string; version?: string; deploymentVersion?: { buildId?: string; deploymentName?: string } }
}

export interface PendingActivity {
  activityId: string
  activityType: Named
  state: string
  attempt?: number
  maximumAttempts?: number
  scheduledTime?: string
  lastStartedTime?: string
  lastHeartbeatTime?: string
  heartbeatDetails?: Payloads
  expirationTime?: string
  lastFailure?: Failure
  lastWorkerIdentity?: string
  nextAttemptScheduleTime?: string
  currentRetryInterval?: string
  paused?: boolean
  activityOptions?: { taskQueue?: Named }
}

export interface PendingChild {
  workflowId: string
  runId: string
  workflowTypeName?: string
  initiatedId?: string
}

export interface PendingWorkflowTask {
  state: string
  scheduledTime?: string
  originalScheduledTime?: string
  startedTime?: string
  attempt?: number
}

export interface Description {
  executionConfig?: {
    taskQueue?: Named
    workflowExecutionTimeout?: string
    workflowRunTimeout?: string
    defaultWorkflowTaskTimeout?: string
    userMetadata?: { summary?: Payload; details?: Payload }
  }
  workflowExecutionInfo: WorkflowInfo
  pendingActivities?: PendingActivity[]
  pendingChildren?: PendingChild[]
  pendingWorkflowTask?: PendingWorkflowTask
  callbacks?: unknown[]
  pendingNexusOperations?: { operation?: string; service?: string; endpoint?: string; state?: string; attempt?: number }[]
  workflowExtendedInfo?: {
    executionExpirationTime?: string
    runExpirationTime?: string
    cancelRequested?: boolean
    lastResetTime?: string
    originalStartTime?: string
    resetRunId?: string
    pauseInfo?: { identity?: string; pausedTime?: string; reason?: string }
  }
}

/** The attributes stand under a name of their own (`workflowExecutionStartedEventAttributes`). */
export interface HistoryEvent {
  eventId: string
  eventTime: string
  eventType: string
  taskId?: string
  userMetadata?: { summary?: Payload; details?: Payload }
  links?: unknown[]
  [attributes: string]: unknown
}

export interface HistoryPage {
  history?: { events?: HistoryEvent[] }
  nextPageToken?: string
}

export interface Count {
  count?: string
  groups?: { groupValues?: Payload[]; count?: string }[]
}

export interface BatchJob {
  jobId: string
  state: string
  startTime?: string
  closeTime?: string
}

export interface BatchDescription extends BatchJob {
  operationType?: string
  totalOperationCount?: string
  completeOperationCount?: string
  failureOperationCount?: string
  identity?: string
  reason?: string
}

export interface Range {
  start?: number
  end?: number
  step?: number
}

export interface StructuredCalendar {
  second?: Range[]
  minute?: Range[]
  hour?: Range[]
  dayOfMonth?: Range[]
  month?: Range[]
  year?: Range[]
  dayOfWeek?: Range[]
  comment?: string
}

export interface ScheduleSpec {
  structuredCalendar?: StructuredCalendar[]
  cronString?: string[]
  interval?: { interval?: string; phase?: string }[]
  excludeStructuredCalendar?: StructuredCalendar[]
  startTime?: string
  endTime?: string
  jitter?: string
  timezoneName?: string
  timezone?: string
}

export interface StartAction {
  workflowId: string
  workflowType: Named
  taskQueue: Named & { kind?: string }
  input?: Payloads
  [more: string]: unknown
}

export interface Schedule {
  spec?: ScheduleSpec
  action?: { startWorkflow?: StartAction }
  policies?: { overlapPolicy?: string; catchupWindow?: string; pauseOnFailure?: boolean; keepOriginalWorkflowId?: boolean }
  state?: { notes?: string; paused?: boolean; limitedActions?: boolean; remainingActions?: string }
}

export interface ScheduleAction {
  scheduleTime?: string
  actualTime?: string
  startWorkflowResult?: Execution
  startWorkflowStatus?: string
}

export interface ScheduleInfo {
  actionCount?: string
  missedCatchupWindow?: string
  overlapSkipped?: string
  bufferDropped?: string
  bufferSize?: string
  runningWorkflows?: Execution[]
  recentActions?: ScheduleAction[]
  futureActionTimes?: string[]
  createTime?: string
  updateTime?: string
  invalidScheduleError?: string
}

export interface ScheduleDescription {
  schedule: Schedule
  info?: ScheduleInfo
  conflictToken?: string
}

export interface ScheduleEntry {
  scheduleId: string
  info?: {
    spec?: ScheduleSpec
    workflowType?: Named
    notes?: string
    paused?: boolean
    recentActions?: ScheduleAction[]
    futureActionTimes?: string[]
  }
}

export interface Namespace {
  namespaceInfo: { name: string; state?: string; description?: string; ownerEmail?: string; id?: string }
  config?: { workflowExecutionRetentionTtl?: string; historyArchivalState?: string }
  isGlobalNamespace?: boolean
}

export interface ActivityInfo {
  activityId: string
  runId?: string
  activityType?: Named
  status?: string
  scheduleTime?: string
  closeTime?: string
  executionDuration?: string
  taskQueue?: string
}

export interface ActivityDescription {
  info?: ActivityInfo & {
    runState?: string
    attempt?: number
    taskQueue?: string
    lastFailure?: Failure
    lastStartedTime?: string
    lastHeartbeatTime?: string
    heartbeatDetails?: Payloads
    nextAttemptScheduleTime?: string
    lastWorkerIdentity?: string
    scheduleToCloseTimeout?: string
    scheduleToStartTimeout?: string
    startToCloseTimeout?: string
    heartbeatTimeout?: string
    expirationTime?: string
    canceledReason?: string
    retryPolicy?: { maximumAttempts?: number }
  }
  runId?: string
  input?: Payloads
  outcome?: { result?: Payloads; failure?: Failure }
}

export interface TaskQueueStats {
  approximateBacklogCount?: string
  approximateBacklogAge?: string
  tasksAddRate?: number
  tasksDispatchRate?: number
}

export interface Poller {
  lastAccessTime?: string
  identity?: string
  ratePerSecond?: number
  deploymentOptions?: { deploymentName?: string; buildId?: string; workerVersioningMode?: string }
}

export interface TaskQueueDescription {
  pollers?: Poller[]
  stats?: TaskQueueStats
  statsByPriorityKey?: Record<string, TaskQueueStats>
  versioningInfo?: unknown
  config?: unknown
  effectiveRateLimit?: { requestsPerSecond?: number }
}

export interface WorkerInfo {
  workerHeartbeat?: WorkerHeartbeat
}

export interface WorkerHeartbeat {
  workerInstanceKey: string
  workerIdentity?: string
  hostInfo?: { hostName?: string; processId?: string; currentHostCpuUsage?: number; currentHostMemUsage?: number }
  taskQueue?: string
  deploymentVersion?: { deploymentName?: string; buildId?: string }
  sdkName?: string
  sdkVersion?: string
  status?: string
  startTime?: string
  heartbeatTime?: string
  workflowTaskSlotsInfo?: Slots
  activityTaskSlotsInfo?: Slots
  workflowPollerInfo?: { currentPollers?: number; lastSuccessfulPollTime?: string }
  activityPollerInfo?: { currentPollers?: number; lastSuccessfulPollTime?: string }
  totalStickyCacheHit?: number
  totalStickyCacheMiss?: number
  currentStickyCacheSize?: number
}

export interface Slots {
  currentAvailableSlots?: number
  currentUsedSlots?: number
  totalProcessedTasks?: number
  totalFailedTasks?: number
  lastIntervalProcessedTasks?: number
  lastIntervalFailureTasks?: number
}

/** Of our own API: why an execution waits. */
export interface Explanation {
  summary?: string
  causes?: Cause[]
}

export interface Cause {
  kind?: string
  text?: string
  advice?: string
  since?: string
  next?: string
  eventId?: string
  attempt?: number
  maximumAttempts?: number
  /** Whether it does not end by itself, or something failed. */
  trouble?: boolean
  taskQueue?: string
  worker?: string
  failure?: Failure
  /** Another run: the child's, or the one that follows. */
  execution?: Execution
  /** Of how many more it speaks. */
  more?: string
}

/** What has its default is left out: false, zero, an empty list. */
export interface ClusterDescription {
  featureLevel?: number
  /** The one that answers. */
  node?: string
  nodes?: ClusterNode[]
  shards?: ClusterShard[]
  /** What wants looking at, a sentence each. */
  troubles?: string[]
}

export interface ClusterNode {
  id: string
  grpcAddress?: string
  peerAddress?: string
  httpAddress?: string
  reachable?: boolean
  reason?: string
  ready?: boolean
  readyReason?: string
  version?: string
  startedAt?: string
  leaders?: number
  memoryBytes?: string
  diskUsedBytes?: string
  diskFreeBytes?: string
  syncP50Ms?: number
  syncP99Ms?: number
  commitP99Ms?: number
  /** The processors that it used lately, and those that it may use. */
  cpuCores?: number
  cores?: number
  clockOffsetMs?: number
  slow?: boolean
}

export interface ClusterShard {
  id?: number
  leader?: string
  term?: string
  committed?: string
  replicas?: { node: string; role?: string; applied?: string; lag?: string; bytes?: string; logBytes?: string }[]
}

/** How the server is set up, as its pages are told. */
export interface Settings {
  version?: string
  defaultNamespace?: string
  codec?: { endpoint?: string; includeCredentials?: boolean }
}
