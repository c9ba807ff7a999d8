package import Settings

/// Whether somebody will tell the guest.
package struct DeliveryCheck: Check {
    private let delivery: Settings.Delivery

    package init(_ delivery: Settings.Delivery) {
        self.delivery = delivery
    }

    package func findings() async -> [CheckFinding] {
        var findings: [CheckFinding] = []
        if let command = delivery.command?.first { findings.append(judge(command)) }
        if delivery.webhook.url != nil {
            findings.append(CheckFinding("delivery.webhook.ok", .ok, "Deliveries are pushed to delivery.webhook.url"))
        }
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

    private func judge(_ command: String) -> CheckFinding {
        guard let file = FileFacts(command) else {
            return CheckFinding(
                "delivery.command.missing", .error, "The program of delivery.command is not there", detail: command,
                fix: "Install it, or give the path at which it is.")
        }
        guard file.isRegular, FileFacts.mayExecute(command) else {
            return CheckFinding(
                "delivery.command.not_executable", .error, "The program of delivery.command cannot be run",
                detail: command, fix: file.isRegular ? "chmod a+x \(command)" : "Give the path of a program.")
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
