internal import CCurl
internal import Dispatch
internal import Glibc
internal import Time

/// One libcurl handle with its connections, on a queue of its own: at most one transfer at a time.
///
/// The serial queue is what keeps a blocking transfer off Swift's cooperative pool (it targets Dispatch's
/// overcommitting pool).
///
/// Safe because: the handles are touched on `queue` only, except by `wake`, whose `curl_multi_wakeup` is the one
/// function that libcurl documents as callable from any thread, and by `deinit`, when nobody else is left.
final class CurlWorker: @unchecked Sendable {
    struct Options: Sendable {
        var userAgent: String
        var connectTimeout: Duration
        var caFile: String?
    }

    /// libcurl asks to be initialised before any thread uses it; a global is initialised once.
    private static let initialization = sparekey_curl_global_init()

    let queue = DispatchQueue(label: "sparekey.http-client")
    private let options: Options
    private let multi: UnsafeMutableRawPointer?
    private let easy: UnsafeMutableRawPointer?
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(options: Options) {
        self.options = options
        let isReady = Self.initialization == CURLE_OK
        multi = isReady ? curl_multi_init() : nil
        easy = isReady ? curl_easy_init() : nil
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        if let multi { _ = sparekey_curl_multi_setopt_long(multi, CURLMOPT_MAXCONNECTS, 4) }
    }

    deinit {
        if let easy { curl_easy_cleanup(easy) }
        if let multi { _ = curl_multi_cleanup(multi) }
        errorText.deallocate()
    }

    /// Makes a transfer under way look at its cancellation now. From any thread.
    func wake() {
        if let multi { _ = curl_multi_wakeup(multi) }
    }

    /// Blocks until the transfer has ended. On `queue` only.
    func perform(
        _ prepared: PreparedRequest, deadline: ContinuousClock.Instant, isCancelled: () -> Bool
    ) -> Result<ClientResponse, ClientError> {
        dispatchPrecondition(condition: .onQueue(queue))
        let endpoint = prepared.url.endpoint
        guard let multi, let easy else {
            return .failure(.cannotConnect(endpoint: endpoint, reason: "libcurl could not be started"))
        }
        guard !isCancelled() else { return .failure(.cancelled) }
        let remaining = ContinuousClock.now.duration(to: deadline)
        guard remaining > .zero else {
            return .failure(.timeout(endpoint: endpoint, reason: "no free connection"))
        }
        let exchange = Exchange(
            maxBodyBytes: prepared.request.maxResponseBytes, cutsBody: prepared.request.cutsResponse)
        // libcurl holds it unretained.
        defer { withExtendedLifetime(exchange) {} }
        let list = headerList(prepared.headerLines)
        // The reset also drops the copies of headers and body that the handle holds; connections stay.
        defer {
            curl_easy_reset(easy)
            curl_slist_free_all(list)
        }
        return withoutBrokenPipeSignal {
            guard configure(easy, for: prepared, list: list, timeout: remaining, exchange: exchange),
                curl_multi_add_handle(multi, easy) == CURLM_OK
            else { return .failure(.cannotConnect(endpoint: endpoint, reason: "libcurl refused an option")) }
            defer { _ = curl_multi_remove_handle(multi, easy) }
            var running: Int32 = 0
            repeat {
                guard curl_multi_perform(multi, &running) == CURLM_OK else {
                    return .failure(.connectionBroken(endpoint: endpoint, reason: "libcurl gave up"))
                }
                if isCancelled() { return .failure(.cancelled) }
                if running > 0 {
                    // libcurl keeps the time; this holds even where it would not.
                    if ContinuousClock.now > deadline + .seconds(2) {
                        return .failure(.timeout(endpoint: endpoint, reason: "no complete answer"))
                    }
                    _ = curl_multi_poll(multi, nil, 0, 1000, nil)
                }
            } while running > 0
            var remainingMessages: Int32 = 0
            guard let message = curl_multi_info_read(multi, &remainingMessages), message.pointee.msg == CURLMSG_DONE
            else {
                return .failure(.connectionBroken(endpoint: endpoint, reason: "libcurl reported no result"))
            }
            return outcome(message.pointee.data.result, of: easy, exchange: exchange, endpoint: endpoint)
        }
    }

    private func headerList(_ lines: [String]) -> UnsafeMutablePointer<curl_slist>? {
        var list: UnsafeMutablePointer<curl_slist>?
        for line in lines {
            // On lack of memory the list stays as it was and stays ours.
            if let longer = curl_slist_append(list, line) { list = longer }
        }
        return list
    }

    /// False when an option was refused: then nothing may be sent, for it might be the one that verifies the peer.
    private func configure(
        _ easy: UnsafeMutableRawPointer, for prepared: PreparedRequest, list: UnsafeMutablePointer<curl_slist>?,
        timeout: Duration, exchange: Exchange
    ) -> Bool {
        curl_easy_reset(easy)
        errorText[0] = 0
        var isAccepted = true
        func set(_ option: CURLoption, _ value: Int) {
            if sparekey_curl_easy_setopt_long(easy, option, value) != CURLE_OK { isAccepted = false }
        }
        func set(_ option: CURLoption, _ value: String) {
            if sparekey_curl_easy_setopt_string(easy, option, value) != CURLE_OK { isAccepted = false }
        }
        let milliseconds = min(max(1, timeout.wholeMilliseconds), 3_600_000)
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_TIMEOUT_MS, Int(milliseconds))
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(min(milliseconds, max(1, options.connectTimeout.wholeMilliseconds))))
        // Without it a name server that does not answer holds the worker past the deadline, until getaddrinfo gives up.
        set(CURLOPT_QUICK_EXIT, 1)

        set(CURLOPT_URL, prepared.request.url)
        set(CURLOPT_PROTOCOLS_STR, prepared.url.isSecure ? "https" : "http")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        if let caFile = options.caFile {
            set(CURLOPT_CAINFO, caFile)
            // The folder of the system's roots is built into libcurl, and would count beside the file.
            if sparekey_curl_easy_setopt_pointer(easy, CURLOPT_CAPATH, nil) != CURLE_OK { isAccepted = false }
        }
        // https_proxy and no_proxy are honoured, as operators expect of libcurl; what is on this machine never leaves
        // it.
        if isLoopback(host: prepared.url.host) { set(CURLOPT_NOPROXY, "*") }
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_USERAGENT, options.userAgent)
        // Shorter than the 60 s after which usual load balancers drop an idle connection.
        set(CURLOPT_MAXAGE_CONN, 50)
        set(CURLOPT_FRESH_CONNECT, prepared.request.isRepeatable ? 0 : 1)

        if let body = prepared.request.body {
            if sparekey_curl_easy_setopt_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count)) != CURLE_OK
                || body.withUnsafeBytes({
                    // The empty body too has an address, for a null pointer would mean "read it from a callback".
                    var nothing: UInt8 = 0
                    return sparekey_curl_easy_setopt_bytes(
                        easy, CURLOPT_COPYPOSTFIELDS, $0.baseAddress ?? .init(&nothing))
                }) != CURLE_OK
            {
                isAccepted = false
            }
        } else if prepared.request.method == "HEAD" {
            set(CURLOPT_NOBODY, 1)
        }
        set(CURLOPT_CUSTOMREQUEST, prepared.request.method)
        let target = Unmanaged.passUnretained(exchange).toOpaque()
        let results = [
            sparekey_curl_easy_setopt_list(easy, CURLOPT_HTTPHEADER, list),
            sparekey_curl_easy_setopt_callback(easy, CURLOPT_WRITEFUNCTION, takeBody),
            sparekey_curl_easy_setopt_pointer(easy, CURLOPT_WRITEDATA, target),
            sparekey_curl_easy_setopt_callback(easy, CURLOPT_HEADERFUNCTION, takeHeaderLine),
            sparekey_curl_easy_setopt_pointer(easy, CURLOPT_HEADERDATA, target),
            sparekey_curl_easy_setopt_pointer(easy, CURLOPT_ERRORBUFFER, errorText),
            sparekey_curl_easy_setopt_offset(
                easy, CURLOPT_MAXFILESIZE_LARGE,
                prepared.request.cutsResponse ? 0 : curl_off_t(max(1, exchange.maxBodyBytes))),
        ]
        return isAccepted && results.allSatisfy { $0 == CURLE_OK }
    }

    private func outcome(
        _ code: CURLcode, of easy: UnsafeMutableRawPointer, exchange: Exchange, endpoint: String
    ) -> Result<ClientResponse, ClientError> {
        if let limit = exchange.exceededLimit { return .failure(.tooLarge(endpoint: endpoint, limitBytes: limit)) }
        switch exchange.isAnswered ? CURLE_OK : code {
        case CURLE_OK:
            var status = 0
            sparekey_curl_easy_getinfo_long(easy, CURLINFO_RESPONSE_CODE, &status)
            return .success(ClientResponse(status: status, headers: exchange.headers, body: exchange.body))
        case CURLE_OPERATION_TIMEDOUT:
            var connected: curl_off_t = 0
            sparekey_curl_easy_getinfo_offset(easy, CURLINFO_PRETRANSFER_TIME_T, &connected)
            return .failure(
                .timeout(endpoint: endpoint, reason: connected > 0 ? "no complete answer" : "no connection"))
        case CURLE_FILESIZE_EXCEEDED:
            return .failure(.tooLarge(endpoint: endpoint, limitBytes: exchange.maxBodyBytes))
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_PROXY:
            return .failure(.cannotConnect(endpoint: endpoint, reason: reason(code)))
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED:
            return .failure(.tls(endpoint: endpoint, reason: reason(code)))
        case CURLE_URL_MALFORMAT:
            return .failure(.invalidURL(reason: "is not one that libcurl takes"))
        default:
            var proxyStatus = 0
            sparekey_curl_easy_getinfo_long(easy, CURLINFO_HTTP_CONNECTCODE, &proxyStatus)
            if proxyStatus >= 300 {
                return .failure(
                    .cannotConnect(endpoint: endpoint, reason: "the proxy answered HTTP \(proxyStatus) to CONNECT"))
            }
            // libcurl's own words for the code: its detailed text may quote what the server sent.
            return .failure(.connectionBroken(endpoint: endpoint, reason: String(cString: curl_easy_strerror(code))))
        }
    }

    /// libcurl's detailed text about connecting and TLS: it names host, port and certificate, nothing of the request.
    private func reason(_ code: CURLcode) -> String {
        let text = errorText[0] == 0 ? String(cString: curl_easy_strerror(code)) : String(cString: errorText)
        return String(decoding: text.utf8.prefix(200).map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
    }
}

/// Runs `body` with SIGPIPE blocked on this thread, and swallows one raised meanwhile: `CURLOPT_NOSIGNAL` leaves that
/// to the caller, and a TLS connection that the peer has closed must not end the process.
package func withoutBrokenPipeSignal<Value>(_ body: () -> Value) -> Value {
    var brokenPipe = sigset_t()
    var before = sigset_t()
    sigemptyset(&brokenPipe)
    sigaddset(&brokenPipe, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &brokenPipe, &before)
    defer {
        if sigismember(&before, SIGPIPE) == 0 {
            var immediately = timespec()
            while sigtimedwait(&brokenPipe, nil, &immediately) == -1, errno == EINTR {}
            pthread_sigmask(SIG_SETMASK, &before, nil)
        }
    }
    return body()
}

/// libcurl calls these on the worker's queue, during `perform`, with the `Exchange` that `perform` keeps alive.
private let takeBody: curl_write_callback = { bytes, size, count, target in
    receive(bytes, size, count, target) { $0.take(body: $1) }
}

private let takeHeaderLine: curl_write_callback = { bytes, size, count, target in
    receive(bytes, size, count, target) { $0.take(headerLine: $1) }
}

/// The number of bytes taken; any other number than was offered ends the transfer.
private func receive(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ target: UnsafeMutableRawPointer?,
    take: (Exchange, UnsafeRawBufferPointer) -> Bool
) -> Int {
    let (total, overflow) = size.multipliedReportingOverflow(by: count)
    guard let target, let bytes, !overflow, total > 0 else { return 0 }
    let exchange = Unmanaged<Exchange>.fromOpaque(target).takeUnretainedValue()
    return take(exchange, UnsafeRawBufferPointer(start: bytes, count: total)) ? total : 0
}
