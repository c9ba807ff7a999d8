internal import HTTPServer
internal import Logging
internal import ServiceLifecycle
internal import UnixSignals

/// What runs while the daemon does.
extension Daemon {
    struct WorkerService: Service {
        let daemon: Daemon
        let hangups: UnixSignalsSequence

        func run() async throws {
            let first = try Workers(settings: daemon.current.settings, surroundings: daemon.surroundings)
            await cancelWhenGracefulShutdown {
                // A group would not do: what is added to one after its `cancelAll` is cancelled from the start.
                var running = Task { await first.run() }
                for await _ in hangups {
                    guard let workers = daemon.applyReload() else { continue }
                    running.cancel()
                    await running.value
                    running = Task { await workers.run() }
                }
                running.cancel()
                await running.value
            }
        }
    }

    /// Looks at the certificate's files every minute: whoever renews it need not tell.
    struct CertificateService: Service {
        let daemon: Daemon

        func run() async throws {
            await cancelWhenGracefulShutdown {
                while (try? await Task.sleep(for: .seconds(60))) != nil { daemon.certificate?.refresh() }
            }
        }
    }

    /// Keeps how fast webhooks were answered over a restart. Ends after the listener, so nothing is missing of what it answered.
    struct HistoryService: Service {
        private static let pause = Duration.seconds(300)

        let daemon: Daemon

        func run() async throws {
            await cancelWhenGracefulShutdown {
                while (try? await Task.sleep(for: Self.pause)) != nil { await save() }
            }
            await save()
        }

        /// A plot is no reason to stop for.
        private func save() async {
            do {
                try await daemon.intake.acknowledgements.save(to: daemon.surroundings.ledger)
            } catch {
                daemon.log.warning("The history of answers could not be kept", metadata: ["error": "\(error)"])
            }
        }
    }

    struct ListenerService: Service {
        let daemon: Daemon
        let ready: @Sendable () async -> Void

        func run() async throws {
            let (webhooks, admin) = (daemon.webhookURL, daemon.adminURL)
            daemon.log.notice(
                "Ready",
                metadata: [
                    "webhooks": "\(webhooks)", "admin": "\(admin)",
                    "listening": "\(daemon.publicServer.addresses.joined(separator: ","))",
                ])
            daemon.warnOfUnheldSocket()
            daemon.manager.notifyReady(status: daemon.status)
            await ready()
            try? await gracefulShutdown()
            daemon.log.notice("Stopping: answering what was read")
            daemon.manager.notifyStopping()
            daemon.surroundings.health.noteShutdown()
            await daemon.publicServer.shutdown(deadline: .seconds(5))
            await daemon.intake.drain()
            await daemon.adminServer.shutdown(deadline: .seconds(1))
        }
    }

    /// Tells systemd how the daemon is, and that it goes on, while it does.
    struct WatchdogService: Service {
        let daemon: Daemon

        func run() async throws {
            // Three times in each span, so that one that comes late is no harm.
            let pause = min(.seconds(5), (daemon.manager.watchdogTimeout ?? .seconds(15)) / 3)
            await cancelWhenGracefulShutdown {
                let probing = Task { await probe(every: pause) }
                defer { probing.cancel() }
                var said: String?
                var stalledBefore: [String] = []
                var began = SuspendingClock.now
                while (try? await Task.sleep(for: pause)) != nil {
                    // What it sleeps too long, no thread was there for: none for webhooks either.
                    daemon.lateness.note(SuspendingClock.now - began - pause, at: .now)
                    defer { began = .now }
                    let stalled = daemon.surroundings.pulse.stalled
                    if stalled.isEmpty { daemon.manager.feedWatchdog() }
                    if stalled != stalledBefore { daemon.report(stalled: stalled) }
                    stalledBefore = stalled
                    let status = daemon.status
                    if status != said { daemon.manager.notifyStatus(status) }
                    said = status
                }
            }
        }

        /// The server's queue is asked itself: nothing else would tell that it hangs while nobody calls. In a task of its own, which
        /// hangs with it.
        private func probe(every pause: Duration) async {
            while (try? await Task.sleep(for: pause)) != nil {
                await daemon.publicServer.probe()
                await daemon.intake.probe()
            }
        }
    }

    private func report(stalled: [String]) {
        guard !stalled.isEmpty else { return log.notice("All parts make progress again") }
        log.critical(
            "Parts of the daemon make no progress; where systemd watches, it will start the daemon anew",
            metadata: ["stalled": "\(stalled.joined(separator: ","))"])
    }

    /// With a socket unit a restart refuses no connection; to a port that it does not hold, it does.
    private func warnOfUnheldSocket() {
        let addresses = publicServer.addresses
        guard publicServer.hasOwnSockets, hasSocketUnit else { return }
        log.warning(
            "listen.port is not the socket unit's and was opened beside it: a restart refuses connections there. Make both the same",
            metadata: ["listening": "\(addresses.joined(separator: ","))"])
    }
}
