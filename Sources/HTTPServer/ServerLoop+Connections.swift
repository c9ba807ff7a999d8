internal import CLinux

/// Between the sockets and the states of their connections.
extension ServerLoop {
    /// Registers a connection that has just been accepted.
    func add(_ descriptor: Int32, _ address: SocketAddress, _ network: PeerNetwork, _ now: Instant) {
        SystemCall.setNoDelay(descriptor)
        let state = ConnectionState(limits: limits, peer: address.text, admission: admission, date: date, at: now)
        let connection = table.insert(from: network) { key in
            Connection(
                descriptor: descriptor, key: key, wire: makeWire?(), state: state, interest: sparekey_epollin)
        }
        observer(.connectionOpened)
        if case .failed = SystemCall.epollAdd(epoll, descriptor, sparekey_epollin, key: connection.key) {
            close(connection)
        } else {
            touch(connection)
        }
    }

    /// Closes the socket and forgets the connection; answers that come later find nothing.
    func close(_ connection: Connection, resetting: Bool = false) {
        guard !connection.isClosed else { return }
        connection.isClosed = true
        // A child that is being started holds the socket, too, until its exec, and keeps it in the epoll: see `closeListeners`.
        SystemCall.epollRemove(epoll, connection.descriptor)
        if resetting {
            SystemCall.reset(connection.descriptor)
        } else {
            if connection.pendingBytes == 0 { farewell(connection) }
            SystemCall.close(connection.descriptor)
        }
        heldBytes -= connection.heldBytes
        table.remove(connection.key)
        observer(.connectionClosed)
        // A descriptor is free again, which may be what accepting waits for.
        if isAcceptPaused { resumeAccepting() }
    }

    /// What epoll says of a connection.
    func ready(_ connection: Connection, _ events: UInt32, _ now: Instant) {
        if events & (sparekey_epollerr | sparekey_epollhup) != 0 {
            // Reset by the peer, or both sides have said their farewell: nothing can be sent or comes any more.
            if events & sparekey_epollerr != 0 { observer(.connectionReset) }
            close(connection)
            return
        }
        if events & sparekey_epollin != 0 {
            read(connection, now)
            // Not only when it settles: whoever is accepted in this turn must not have it closed for him.
            if !connection.isClosed, connection.idleSince != nil, connection.state.idleSince == nil {
                connection.idleSince = nil
                table.setBusy(connection.key)
            }
        }
        if events & sparekey_epollout != 0 {
            connection.hasSent = true
            touch(connection)
        }
    }

    /// Reads once: epoll reports what is left, after the others have had their turn.
    func read(_ connection: Connection, _ now: Instant) {
        guard !connection.isClosed, connection.state.wantsRead else { return }
        let outcome = scratch.withUnsafeMutableBytes { SystemCall.receive(connection.descriptor, into: $0) }
        touch(connection)
        switch outcome {
        case .value(0): perform(connection.state.peerClosed(at: now), connection, now)
        case .value(let count): receive(scratch[..<count], connection, now)
        case .wouldBlock: break
        case .failed:
            observer(.connectionReset)
            close(connection)
        }
    }

    private func receive(_ bytes: ArraySlice<UInt8>, _ connection: Connection, _ now: Instant) {
        guard let wire = connection.wire else {
            perform(connection.state.received(bytes, at: now), connection, now)
            return
        }
        let output = wire.receive(bytes)
        if !output.outgoing.isEmpty { connection.enqueue(output.outgoing) }
        if !output.plaintext.isEmpty {
            perform(connection.state.received(output.plaintext[...], at: now), connection, now)
        }
        switch output.end {
        case nil: break
        case .closed?: perform(connection.state.peerClosed(at: now), connection, now)
        case .failed?:
            observer(.wireFailed)
            connection.closesWhenSent = true
        }
    }

    func deliver(_ letter: Letter, _ now: Instant) {
        guard let connection = table[letter.connection] else { return }
        if let response = letter.response {
            perform(connection.state.answered(letter.number, response, at: now), connection, now)
        } else {
            perform(connection.state.aborted(letter.number), connection, now)
        }
        touch(connection)
    }

    func perform(_ actions: [ConnectionState.Action], _ connection: Connection, _ now: Instant) {
        for action in actions {
            guard !connection.isClosed else { return }
            switch action {
            case .handle(let request, let number):
                if handledSince == nil { handledSince = now }
                let responder = Responder(loop: self, connection: connection.key, number: number)
                connection.state.handedOut(number, with: responder)
                handler(request, responder)
            case .send(let bytes):
                if let output = connection.wire?.send(bytes) {
                    connection.enqueue(output.outgoing)
                    if output.end != nil { connection.closesWhenSent = true }
                } else {
                    connection.enqueue(bytes)
                }
                touch(connection)
            case .shutdownWrite:
                farewell(connection)
                SystemCall.shutdownWrite(connection.descriptor)
            case .close: close(connection)
            case .reset: close(connection, resetting: true)
            case .report(let event): observer(event)
            }
        }
    }

    /// Says the wire's goodbye, as far as the socket takes it: it is never waited for.
    private func farewell(_ connection: Connection) {
        guard let bytes = connection.wire?.finish(), !bytes.isEmpty else { return }
        connection.enqueue(bytes)
        _ = connection.flush()
    }

    /// Has the connection settled at the end of this turn.
    func touch(_ connection: Connection) {
        guard !connection.isDirty, !connection.isClosed else { return }
        connection.isDirty = true
        dirty.append(connection)
    }

    /// Sends what is pending, tells the state, and adjusts everything that depends on it.
    func settle(_ connection: Connection, _ now: Instant) {
        guard !connection.isClosed else { return }
        if connection.hasSent {
            connection.hasSent = false
            guard connection.flush() else {
                observer(.connectionReset)
                close(connection)
                return
            }
            if connection.closesWhenSent, connection.pendingBytes == 0 {
                close(connection)
                return
            }
            perform(connection.state.output(pending: connection.pendingBytes, at: now), connection, now)
        }
        guard !connection.isClosed else { return }
        if connection.closesWhenSent, connection.pendingBytes == 0 {
            close(connection)
            return
        }
        account(connection, now)
        let interest =
            (connection.state.wantsRead && !connection.closesWhenSent ? sparekey_epollin : 0)
            | (connection.pendingBytes > 0 ? sparekey_epollout : 0)
        if interest != connection.interest {
            connection.interest = interest
            SystemCall.epollModify(epoll, connection.descriptor, interest, key: connection.key)
        }
        let idleSince = connection.state.idleSince
        if idleSince != connection.idleSince {
            connection.idleSince = idleSince
            if idleSince == nil { table.setBusy(connection.key) } else { table.setIdle(connection.key) }
        }
        // A deadline that moved to later costs nothing: the entry at hand fires, and finds the new one.
        if let deadline = connection.state.deadline, connection.scheduled.map({ deadline < $0 }) ?? true {
            connection.scheduled = deadline
            deadlines.insert(deadline, key: connection.key)
        }
    }

    /// Counts the connection's memory; a request that takes it beyond the bound of all is refused.
    private func account(_ connection: Connection, _ now: Instant) {
        let held = connection.state.heldBytes
        let total = held + (connection.wire?.heldBytes ?? 0)
        heldBytes += total - connection.heldBytes
        connection.heldBytes = total
        if heldBytes > limits.maxBufferedBytes, held > limits.maxHeadBytes {
            perform(connection.state.overloaded(at: now), connection, now)
        }
    }
}
