package import HTTPClient
package import Settings

/// Whether somebody will tell the guest.
package struct DeliveryCheck: Check {
    private let delivery: Settings.Delivery
    private let transport: any HTTPTransport
    private let account: ServiceAccount

    package init(_ delivery: Settings.Delivery, transport: any HTTPTransport, account: ServiceAccount) {
        self.delivery = delivery
        self.transport = transport
        self.account = account
    }

    package func findings() async -> [CheckFinding] {
        var findings: [CheckFinding] = []
        if let command = delivery.command?.first { findings.append(judge(command)) }
        if let url = delivery.webhook.url { findings.append(await reach(url)) }
        if delivery.manual {
            findings.append(
                CheckFinding(
                    "delivery.manual.ok", .ok, "Deliveries wait for whoever claims them",
                    detail: "sparekey deliveries claim, or POST /api/deliveries/claim"))
        }
        if findings.isEmpty {
            findings.append(
                CheckFinding(
                    "delivery.none", .error, "Nobody tells a guest the new code",
                    fix: "Set delivery.webhook.url or delivery.command, or turn delivery.manual on."))
        }
        return findings
    }

    /// Asks with OPTIONS, which is safe (RFC 9110, 9.2.1): any answer shows that the receiver is there. Nothing is delivered.
    private func reach(_ url: String) async -> CheckFinding {
        var request = ClientRequest(method: "OPTIONS", url: url, timeout: delivery.timeout)
        request.cutsResponse = true
        do throws(ClientError) {
            _ = try await transport.send(request)
            return CheckFinding("delivery.webhook.ok", .ok, "The receiver of delivery.webhook.url answers")
        } catch {
            guard case .tls = error else {
                return CheckFinding(
                    "delivery.webhook.unreachable", .error, "The receiver of delivery.webhook.url cannot be reached",
                    detail: "\(error).",
                    fix: "Start it, or correct delivery.webhook.url; look at DNS and firewall between.")
            }
            return CheckFinding(
                "delivery.webhook.tls", .error,
                "The receiver of delivery.webhook.url has a certificate that is not trusted",
                detail: "\(error).",
                fix: "Give the receiver a certificate for its name with the full chain, or install its authority with "
                    + "update-ca-certificates.")
        }
    }

    private func judge(_ command: String) -> CheckFinding {
        guard let file = FileFacts(command) else {
            return CheckFinding(
                "delivery.command.missing", .error, "The program of delivery.command is not there", detail: command,
                fix: "Install it, or give the path at which it is.")
        }
        guard file.isRegular, account.may(.execute, command) else {
            return CheckFinding(
                "delivery.command.not_executable", .error, "The program of delivery.command cannot be run",
                detail: "\(command), by \(account.name)",
                fix: file.isRegular ? "chmod a+rx \(command)" : "Give the path of a program.")
        }
        if file.mode & 0o002 != 0 {
            return CheckFinding(
                "delivery.command.writable", .warning,
                "Anyone on this machine may change the program of delivery.command",
                detail: command, fix: "chmod o-w \(command)")
        }
        return CheckFinding("delivery.command.ok", .ok, "Deliveries are given to a program", detail: command)
    }
}
