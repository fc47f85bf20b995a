"""What curl makes of the HTTP side.

Not here: upgrades that are accepted (test_websockets.py), TLS itself (test_openssl.py).
"""

from daemon import CA, DaemonTest

BODY = '{"status":"ok"}'


class Curl(DaemonTest):
    def setUp(self):
        self.daemon = self.start()
        self.base = f"https://localhost:{self.daemon.port}"

    def curl(self, *arguments):
        code, output = self.run_tool("curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", CA, *arguments)
        self.assertEqual(code, 0, output)
        return output

    def head(self, *arguments):
        """Status and headers of the last answer, in lower case, and what follows it."""
        head, _, body = self.curl("--include", *arguments).rpartition("\r\n\r\n")
        status, *lines = head.rpartition("HTTP/1.1 ")[2].split("\r\n")
        return int(status.split()[0]), dict(line.lower().split(": ", 1) for line in lines), body

    def test_health_is_json(self):
        status, headers, body = self.head(f"{self.base}/health")
        self.assertEqual((status, headers["content-type"], body), (200, "application/json", BODY))

    def test_every_name_of_the_certificate_is_served(self):
        for host in ["localhost", "127.0.0.1"]:
            self.assertEqual(self.curl(f"https://{host}:{self.daemon.port}/health"), BODY)

    def test_http_1_0_is_answered_and_closed_unless_it_asks_to_stay(self):
        status, headers, body = self.head("--http1.0", f"{self.base}/health")
        self.assertEqual((status, headers["connection"], body), (200, "close", BODY))
        status, headers, _ = self.head("--http1.0", "--header", "Connection: keep-alive", f"{self.base}/health")
        self.assertEqual((status, headers["connection"]), (200, "keep-alive"))

    def test_head_has_the_length_and_no_body(self):
        status, headers, body = self.head("--head", f"{self.base}/health")
        self.assertEqual((status, headers["content-length"], body), (200, str(len(BODY)), ""))

    def test_another_path_is_not_found(self):
        for path in ["/index.html", "/healthy", "/health/", "/ws/x", "/%2e%2e/health"]:
            self.assertEqual(self.head("--path-as-is", self.base + path)[0], 404, path)

    def test_the_page_is_at_the_root_and_can_be_off(self):
        status, headers, body = self.head(f"{self.base}/")
        self.assertEqual((status, headers["content-type"], "<title>" in body), (200, "text/html; charset=utf-8", True))
        daemon = self.start("--set", "server.page=false")
        self.assertEqual(self.head(f"https://localhost:{daemon.port}/")[0], 404)

    def test_another_method_is_not_allowed(self):
        for arguments in [["--data", "x"], ["--request", "DELETE"], ["--request", "BREW"]]:
            status, headers, _ = self.head(*arguments, f"{self.base}/health")
            self.assertEqual((status, headers["allow"]), (405, "get, head"), arguments)

    def test_two_requests_share_one_connection(self):
        urls = [f"{self.base}/health", f"{self.base}/nothing", f"{self.base}/health"]
        output = self.curl("--write-out", " %{response_code} %{num_connects}\n", *urls)
        self.assertEqual(output, f"{BODY} 200 1\nNot Found 404 0\n{BODY} 200 0\n")

    def test_a_body_that_nobody_asked_for_does_not_break_the_connection(self):
        output = self.curl(
            "--output", "/dev/null", "--write-out", "%{response_code} %{num_connects} ", "--data", "x" * 65_536,
            f"{self.base}/health", "--next", "--cacert", CA, f"{self.base}/health",
        )
        self.assertEqual(output, f"405 1 {BODY}")

    def test_a_body_past_the_limit_is_too_large(self):
        self.assertEqual(self.head("--data", "x" * 65_537, f"{self.base}/health")[0], 413)

    def test_who_expects_an_interim_answer_is_told_that_there_is_none(self):
        expect = ["--header", "Expect: 100-continue"]
        self.assertEqual(self.head(*expect, "--data", "x", f"{self.base}/health")[0], 417)
        self.assertEqual(self.head(*expect, f"{self.base}/health")[0], 200, "without a body it has no meaning")

    def test_a_head_that_is_too_large_is_told_so(self):
        self.assertEqual(self.head("--header", "X-Long: " + "x" * 8192, f"{self.base}/health")[0], 431)
        self.assertEqual(self.head(f"{self.base}/{'x' * 8192}")[0], 414)

    def test_a_head_that_is_not_as_it_should_be_is_malformed_and_ends_the_connection(self):
        for arguments in [
            ["--header", "Host:"], ["--header", "Host: a b"],
            ["--header", "Content-Length: 5"], ["--header", "Connection: keep-alive close"],
            ["--data", "x", "--header", "Content-Length: 1, 1"], ["--data", "x", "--header", "Content-Length: +1"],
            ["--data", "x", "--header", "Transfer-Encoding: chunked"], ["--header", "Transfer-Encoding: identity"],
            ["--request-target", "/%zz"], ["--request-target", "/a b"], ["--request-target", "health"],
            ["--request-target", "*"], ["--request-target", "http://user@localhost/health"],
            ["--request-target", "wss://localhost/health"], ["--request", "CONNECT"],
        ]:
            status, headers, _ = self.head(*arguments, f"{self.base}/health")
            self.assertEqual((status, headers.get("connection")), (400, "close"), arguments)

    def test_a_target_may_be_absolute_and_a_path_is_not_decoded(self):
        for target, expected in [
            ("http://localhost/health", 200), ("HTTPS://elsewhere.example:1/health?a", 200), ("/health?%00", 200),
            ("http://localhost", 200), ("/%68ealth", 404), ("//health", 404), ("/a/../health", 404),
        ]:
            self.assertEqual(self.head("--request-target", target, f"{self.base}/health")[0], expected, target)

    def test_who_takes_it_for_a_proxy_gets_its_own_answers_and_no_tunnel(self):
        daemon = self.start(listen=("--plain-listen", "127.0.0.1:0"))
        proxy = ["--noproxy", "", "--proxy", f"http://localhost:{daemon.port}"]
        self.assertEqual(self.head(*proxy, "http://elsewhere.example/health")[2], BODY)
        tunnel = ["curl", "--silent", *proxy, "--proxytunnel", "--write-out", "%{http_connect}", "http://elsewhere.example/"]
        code, output = self.run_tool(*tunnel)
        self.assertEqual((code, output), (56, "400"))
        self.assertEqual(self.head("--haproxy-protocol", f"http://localhost:{daemon.port}/health")[0], 400)

    def test_a_request_of_the_endpoint_is_told_to_upgrade(self):
        status, headers, _ = self.head(f"{self.base}/ws")
        self.assertEqual((status, headers["upgrade"], headers["sec-websocket-version"]), (426, "websocket", "13"))

    def test_a_handshake_without_a_key_is_malformed(self):
        upgrade = ["--header", "Connection: Upgrade", "--header", "Upgrade: websocket"]
        status, *_ = self.head(*upgrade, "--header", "Sec-WebSocket-Version: 13", f"{self.base}/ws")
        self.assertEqual(status, 400)
        status, headers, _ = self.head(*upgrade, "--header", "Sec-WebSocket-Version: 8", f"{self.base}/ws")
        self.assertEqual((status, headers["sec-websocket-version"]), (426, "13"))

    def test_plain_http_at_the_tls_port_fails_and_harms_nobody(self):
        code, output = self.run_tool("curl", "--silent", "--noproxy", "*", f"http://localhost:{self.daemon.port}/health")
        self.assertNotEqual(code, 0, output)
        self.assertEqual(self.curl(f"{self.base}/health"), BODY)

    def test_a_plain_listener_stands_beside_the_one_with_tls(self):
        daemon = self.start(listen=("--listen", "127.0.0.1:0", "--plain-listen", "127.0.0.1:0"))
        self.assertEqual(self.curl(f"https://localhost:{daemon.ports[0]}/health"), BODY)
        self.assertEqual(self.curl(f"http://localhost:{daemon.ports[1]}/health"), BODY)
