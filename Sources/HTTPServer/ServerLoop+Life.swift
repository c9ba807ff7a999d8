internal import CLinux
internal import Dispatch
internal import Glibc

/// Starting, accepting, stopping.
extension ServerLoop {
    /// Registers the listeners and begins. Takes the listeners over, also when it throws.
    func start(_ listeners: [Listener], location: String) throws(ServerError) {
        let failure: ServerError? = queue.sync { @Sendable [self] in
            var failure: ServerError?
            if phase != .ready {
                failure = ServerError(
                    what: .state, location: location, errno: 0, hint: "make another server to start again")
            } else if case .value(let descriptor) = SystemCall.epollCreate(),
                case .value(let bell) = SystemCall.makeBell()
            {
                epoll = Int32(truncatingIfNeeded: descriptor)
                self.bell = Int32(truncatingIfNeeded: bell)
                // Edge-triggered: each ring is an event of its own, and nobody has to read the bell to silence it.
                let added = SystemCall.epollAdd(
                    epoll, self.bell, sparekey_epollin | sparekey_epollet, key: ServerLoop.bellKey)
                if case .failed(let code) = added { failure = pollFailure(location, code) }
                for listener in listeners {
                    let added = SystemCall.epollAdd(
                        epoll, listener.descriptor, sparekey_epollin, key: ServerLoop.listenerKey)
                    if case .failed(let code) = added { failure = pollFailure(location, code) }
                }
                if failure != nil {
                    SystemCall.close(epoll)
                    SystemCall.close(self.bell)
                }
            } else {
                failure = pollFailure(location, EMFILE)
            }
            if failure != nil {
                for listener in listeners { SystemCall.close(listener.descriptor) }
            } else {
                self.listeners = listeners
                run()
            }
            return failure
        }
        if let failure { throw failure }
    }

    private func pollFailure(_ location: String, _ code: Int32) -> ServerError {
        ServerError(what: .poll, location: location, errno: code, hint: "raise LimitNOFILE")
    }

    private func run() {
        phase = .running
        reserve = SystemCall.reserveDescriptor()
        let source = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: queue)
        source.setEventHandler { @Sendable [self] in poll() }
        // Only here may the descriptor be closed: before, the source may still look at it.
        source.setCancelHandler { @Sendable [epoll, bell] in
            SystemCall.close(epoll)
            SystemCall.close(bell)
        }
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.setEventHandler { @Sendable [self] in timeout() }
        timer.schedule(deadline: .distantFuture)
        self.source = source
        self.timer = timer
        source.activate()
        timer.activate()
    }

    // MARK: Accepting

    /// Accepts what waits, but no more than a bounded number in one turn.
    func acceptAll(_ now: Instant) {
        takeLimits()
        for listener in listeners {
            var budget = 128
            while budget > 0, !isAcceptPaused, phase == .running {
                budget -= 1
                let (outcome, address) = SystemCall.accept(listener.descriptor)
                switch outcome {
                case .value(let value): admit(Int32(truncatingIfNeeded: value), address, now)
                case .wouldBlock: budget = 0
                case .failed(let code) where [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code):
                    // The kernel says so before it looks whether anybody waits.
                    if SystemCall.isReadable(listener.descriptor) {
                        outOfDescriptors(code, listener, now)
                    } else {
                        budget = 0
                    }
                case .failed:
                    // ECONNABORTED, EPROTO and the network's own errors are of that connection alone (accept(2)).
                    break
                }
            }
        }
    }

    private func admit(_ descriptor: Int32, _ address: SocketAddress, _ now: Instant) {
        if let end = shortageEnds, now >= end {
            shortageEnds = nil
            observer(.acceptResumed)
        }
        // The kernel gives out the lowest number that is free.
        if descriptor >= SystemCall.descriptorLimit - limits.keptDescriptors {
            noteShortage(EMFILE, now)
            guard evict(table.fairestIdleConnection) else {
                SystemCall.close(descriptor)
                observer(.connectionRefused)
                return
            }
        }
        let network = PeerNetwork(address)
        if table.count(from: network) >= limits.maxConnectionsPerAddress,
            limits.countsLoopback || !network.isLoopback
        {
            guard evict(table.longestIdleConnection(from: network)) else {
                SystemCall.close(descriptor)
                observer(.addressRefused)
                return
            }
        }
        if table.count >= limits.maxConnections, !evict(table.fairestIdleConnection) {
            SystemCall.close(descriptor)
            observer(.connectionRefused)
            return
        }
        add(descriptor, address, network, now)
    }

    /// Makes room, if there is one that can give way.
    private func evict(_ idle: Connection?) -> Bool {
        guard let idle else { return false }
        observer(.evictedIdle)
        close(idle)
        return true
    }

    private func noteShortage(_ code: Int32, _ now: Instant) {
        if shortageEnds == nil { observer(.acceptPaused(errno: code)) }
        shortageEnds = now + limits.shortageCalm
    }

    /// An idle connection gives way; when there is none, accepting pauses until a connection ends, or a little while.
    private func outOfDescriptors(_ code: Int32, _ listener: Listener, _ now: Instant) {
        noteShortage(code, now)
        if evict(table.fairestIdleConnection) { return }
        // The first in line is told at once by closing it, with the descriptor kept for that; the others keep waiting.
        if reserve >= 0 {
            SystemCall.close(reserve)
            if case .value(let value) = SystemCall.accept(listener.descriptor).0 {
                SystemCall.close(Int32(truncatingIfNeeded: value))
            }
        }
        reserve = SystemCall.reserveDescriptor()
        isAcceptPaused = true
        // Off, not merely ignored: a listener that stays readable would have the queue spin.
        for listener in listeners {
            SystemCall.epollModify(epoll, listener.descriptor, 0, key: ServerLoop.listenerKey)
        }
        deadlines.insert(now + .milliseconds(100), key: ServerLoop.resumeKey)
    }

    func resumeAccepting() {
        guard isAcceptPaused else { return }
        isAcceptPaused = false
        if reserve < 0 { reserve = SystemCall.reserveDescriptor() }
        for listener in listeners {
            SystemCall.epollModify(epoll, listener.descriptor, sparekey_epollin, key: ServerLoop.listenerKey)
        }
    }

    // MARK: Stopping

    /// Begins to stop; `done` is called on the queue once everything is closed.
    func shutdown(deadline: Duration, done: @escaping @Sendable () -> Void) {
        queue.async { @Sendable [self] in
            switch phase {
            case .ready:
                phase = .stopped
                done()
            case .stopped: done()
            case .stopping: shutdownWaiters.append(done)
            case .running:
                shutdownWaiters.append(done)
                turn { now in
                    // What has connected already is served, not reset with the listener; with a listener that stays it may wait.
                    closeListeners { $0.isHandedOver }
                    for _ in 0..<8 { acceptAll(now) }
                    phase = .stopping
                    closeListeners()
                    deadlines.insert(now + deadline, key: ServerLoop.shutdownKey)
                    for key in table.keys {
                        guard let connection = table[key] else { continue }
                        // What has arrived already counts as read.
                        read(connection, now)
                        guard !connection.isClosed else { continue }
                        perform(connection.state.shutdown(at: now), connection, now)
                        touch(connection)
                    }
                }
            }
        }
    }

    /// Stops at once: nobody holds the server any more.
    func stop() {
        queue.async { @Sendable [self] in
            switch phase {
            case .ready: phase = .stopped
            case .stopped: break
            case .running, .stopping:
                turn { _ in
                    phase = .stopping
                    closeListeners()
                    closeAll()
                }
            }
        }
    }

    func closeAll() {
        for key in table.keys {
            if let connection = table[key] { close(connection) }
        }
    }

    private func closeListeners(where isToGo: (Listener) -> Bool = { _ in true }) {
        for listener in listeners where isToGo(listener) {
            // A close takes a socket out of the epoll only where nobody else holds it (epoll(7)), and one that is handed over
            // somebody else does: who waits at it would have the epoll return at once, again and again.
            SystemCall.epollRemove(epoll, listener.descriptor)
            SystemCall.close(listener.descriptor)
        }
        listeners.removeAll(where: isToGo)
    }

    /// Everything is closed.
    func finish() {
        phase = .stopped
        if reserve >= 0 { SystemCall.close(reserve) }
        reserve = -1
        source?.cancel()
        timer?.cancel()
        source = nil
        timer = nil
        let waiters = shutdownWaiters
        shutdownWaiters = []
        for waiter in waiters { waiter() }
    }
}
