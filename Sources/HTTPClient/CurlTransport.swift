internal import Dispatch
internal import Glibc
internal import Synchronization

/// HTTP/1.1 through libcurl: HTTPS verified against the system's roots, TLS 1.2 or newer, no redirects, no cookies.
///
/// A bounded number of workers, each with its kept-alive connections, and a bounded queue before them. `https_proxy`,
/// `all_proxy` and `no_proxy` of the environment are honoured, except for loopback hosts, and so is OpenSSL's `SSL_CERT_FILE`.
package final class CurlTransport: HTTPTransport {
    private final class Job: Sendable {
        let id: Int
        let prepared: PreparedRequest
        let deadline: ContinuousClock.Instant
        let continuation: CheckedContinuation<Result<ClientResponse, ClientError>, Never>
        let isCancelled = Atomic(false)

        init(
            id: Int, prepared: PreparedRequest, deadline: ContinuousClock.Instant,
            continuation: CheckedContinuation<Result<ClientResponse, ClientError>, Never>
        ) {
            self.id = id
            self.prepared = prepared
            self.deadline = deadline
            self.continuation = continuation
        }
    }

    private struct State {
        var lastID = 0
        var waiting: [Job] = []
        var running: [Int: (job: Job, worker: CurlWorker)] = [:]
        /// The most recently used comes last and is taken first: its connection is the likeliest to be alive.
        var idle: [CurlWorker] = []
        var workers = 0
        /// Cancelled before they were queued: the handler may run before the operation.
        var cancelledEarly: Set<Int> = []
    }

    private enum Admission {
        case start(CurlWorker)
        case wait
        case refuse(ClientError)
    }

    /// libcurl does not look at it by itself. https://docs.openssl.org/3.0/man3/SSL_CTX_load_verify_locations
    private static var rootsOfTheEnvironment: String? {
        guard let path = getenv("SSL_CERT_FILE"), path.pointee != 0 else { return nil }
        return String(cString: path)
    }

    private let maxConcurrentRequests: Int
    private let maxQueued: Int
    private let options: CurlWorker.Options
    private let state = Mutex(State())

    /// - Parameters:
    ///   - maxConcurrentRequests: transfers at one time, at least 1; each has a thread while it runs.
    ///   - maxQueued: requests that may wait for a worker; one more is refused as `busy`.
    ///   - userAgent: such as `sparekey/1.0.0`.
    ///   - connectTimeout: for name lookup, TCP and TLS together; the request's own timeout bounds the whole.
    ///   - caFile: PEM roots that replace the system's; nil: those of `SSL_CERT_FILE`, where that is set.
    package init(
        maxConcurrentRequests: Int, maxQueued: Int, userAgent: String, connectTimeout: Duration = .seconds(10),
        caFile: String? = nil
    ) {
        self.maxConcurrentRequests = max(1, maxConcurrentRequests)
        self.maxQueued = max(0, maxQueued)
        options = CurlWorker.Options(
            userAgent: userAgent, connectTimeout: connectTimeout, caFile: caFile ?? Self.rootsOfTheEnvironment)
    }

    package func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
        let prepared = try PreparedRequest(request)
        let deadline = ContinuousClock.now + request.timeout
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                admit(Job(id: id, prepared: prepared, deadline: deadline, continuation: continuation))
            }
        } onCancel: {
            cancel(id)
        }
        // A cancellation that came after the end has left its mark.
        state.withLock { _ = $0.cancelledEarly.remove(id) }
        return try result.get()
    }

    private func admit(_ job: Job) {
        let admission: Admission = state.withLock { state in
            if state.cancelledEarly.remove(job.id) != nil { return .refuse(.cancelled) }
            if let worker = state.idle.popLast() {
                state.running[job.id] = (job, worker)
                return .start(worker)
            }
            if state.workers < maxConcurrentRequests {
                state.workers += 1
                let worker = CurlWorker(options: options)
                state.running[job.id] = (job, worker)
                return .start(worker)
            }
            guard state.waiting.count < maxQueued else { return .refuse(.busy(limit: maxQueued)) }
            state.waiting.append(job)
            return .wait
        }
        switch admission {
        case .start(let worker): worker.queue.async { @Sendable in self.run(job, on: worker) }
        case .wait: break
        case .refuse(let error): job.continuation.resume(returning: .failure(error))
        }
    }

    /// Carries out one job and then those that wait, until none is left. On the worker's queue.
    private func run(_ first: Job, on worker: CurlWorker) {
        var next: Job? = first
        while let job = next {
            let result = worker.perform(job.prepared, deadline: job.deadline) {
                job.isCancelled.load(ordering: .acquiring)
            }
            next = state.withLock { state in
                state.running[job.id] = nil
                guard !state.waiting.isEmpty else {
                    state.idle.append(worker)
                    return nil
                }
                let waiting = state.waiting.removeFirst()
                state.running[waiting.id] = (waiting, worker)
                return waiting
            }
            job.continuation.resume(returning: result)
        }
    }

    private func cancel(_ id: Int) {
        let withdrawn: Job? = state.withLock { state in
            if let index = state.waiting.firstIndex(where: { $0.id == id }) { return state.waiting.remove(at: index) }
            if let (job, worker) = state.running[id] {
                // Under the lock, so that the worker cannot have gone on to another job in between.
                job.isCancelled.store(true, ordering: .releasing)
                worker.wake()
            } else {
                state.cancelledEarly.insert(id)
            }
            return nil
        }
        withdrawn?.continuation.resume(returning: .failure(.cancelled))
    }
}
