internal import CLinux
internal import Glibc

/// The one gate to the kernel: EINTR is retried, EAGAIN is a value, errno is read at once.
enum SystemCall {
    enum Outcome: Equatable {
        case value(Int)
        /// EAGAIN: nothing now, epoll will tell.
        case wouldBlock
        case failed(errno: Int32)
    }

    @inline(__always)
    private static func outcome(_ call: () -> Int) -> Outcome {
        while true {
            let result = call()
            if result >= 0 { return .value(result) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case let code: return .failed(errno: code)
            }
        }
    }

    // MARK: Bytes

    static func receive(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        outcome { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
    }

    /// Never raises SIGPIPE.
    static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Outcome {
        outcome { Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
    }

    static func shutdownWrite(_ descriptor: Int32) {
        _ = Glibc.shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Not retried: on Linux the descriptor is gone even when close is interrupted (close(2)).
    static func close(_ descriptor: Int32) {
        _ = Glibc.close(descriptor)
    }

    /// Closes with a reset instead of the orderly end: a linger time of zero (socket(7)).
    static func reset(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }

    /// Any descriptor at all, to be given up when there are no others; -1 when there is none.
    static func reserveDescriptor() -> Int32 {
        open("/dev/null", O_RDONLY | O_CLOEXEC)
    }

    /// How many descriptors the process may have.
    static var descriptorLimit: Int32 {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return Int32(clamping: limit.rlim_cur)
    }

    // MARK: Sockets

    /// Whether something can be read, or a connection accepted, now.
    static func isReadable(_ descriptor: Int32) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return outcome { Int(poll(&waiting, 1, 0)) } == .value(1)
    }

    /// A new connection, non-blocking, and the address of its peer.
    static func accept(_ listener: Int32) -> (Outcome, SocketAddress) {
        var address = SocketAddress()
        let outcome = outcome { Int(sparekey_accept(listener, &address.storage, &address.length)) }
        return (outcome, address)
    }

    static func streamSocket(family: Int32) -> Outcome {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        return outcome { Int(socket(family, kind, 0)) }
    }

    static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    static func setNoDelay(_ descriptor: Int32) {
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    static func bind(_ descriptor: Int32, _ address: SocketAddress) -> Outcome {
        address.withPointer { pointer, length in outcome { Int(Glibc.bind(descriptor, pointer, length)) } }
    }

    static func listen(_ descriptor: Int32, backlog: Int32) -> Outcome {
        outcome { Int(Glibc.listen(descriptor, backlog)) }
    }

    /// Makes a socket that another process made fit for this one; fails unless it is a TCP socket that listens.
    static func adoptListener(_ descriptor: Int32) -> Outcome {
        var (listens, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
        let asked = outcome { Int(getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length)) }
        guard case .value = asked else { return asked }
        let family = localAddress(descriptor).family
        guard listens != 0, family == AF_INET || family == AF_INET6 else { return .failed(errno: EINVAL) }
        let flags = outcome { Int(fcntl(descriptor, F_SETFD, FD_CLOEXEC)) }
        guard case .value = flags else { return flags }
        return outcome { Int(fcntl(descriptor, F_SETFL, O_NONBLOCK)) }
    }

    static func localAddress(_ descriptor: Int32) -> SocketAddress {
        var address = SocketAddress()
        address.withMutablePointer { pointer, length in _ = getsockname(descriptor, pointer, length) }
        return address
    }

    // MARK: epoll

    static func epollCreate() -> Outcome { outcome { Int(sparekey_epoll_create()) } }

    static func epollAdd(_ epoll: Int32, _ descriptor: Int32, _ events: UInt32, key: UInt64) -> Outcome {
        outcome { Int(sparekey_epoll_add(epoll, descriptor, events, key)) }
    }

    static func epollModify(_ epoll: Int32, _ descriptor: Int32, _ events: UInt32, key: UInt64) {
        _ = outcome { Int(sparekey_epoll_modify(epoll, descriptor, events, key)) }
    }

    static func epollRemove(_ epoll: Int32, _ descriptor: Int32) {
        _ = outcome { Int(sparekey_epoll_remove(epoll, descriptor)) }
    }

    /// Fills `events` from the front and says how many there are, none after the wait; -1 waits without end.
    static func epollWait(_ epoll: Int32, into events: inout [sparekey_epoll_event], milliseconds: Int32) -> Int {
        let count = events.withUnsafeMutableBufferPointer { buffer in
            sparekey_epoll_wait(epoll, buffer.baseAddress, Int32(clamping: buffer.count), milliseconds)
        }
        // Not retried when interrupted: then nothing is ready, and the caller looks at its deadlines.
        return max(0, Int(count))
    }

    /// An eventfd: each `ring` ends a wait of the epoll that it is in.
    static func makeBell() -> Outcome { outcome { Int(sparekey_eventfd()) } }

    static func ring(_ bell: Int32) {
        var one: UInt64 = 1
        _ = outcome { write(bell, &one, MemoryLayout<UInt64>.size) }
    }
}
