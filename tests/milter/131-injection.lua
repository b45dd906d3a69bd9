-- Case 131: what an encoded word decodes to never becomes a line of a header; folded lines stay as they are.
dofile("session.lua")

case("131: encoded line ends stay encoded", function()
	for _, word in ipairs{ "=?utf-8?q?a=0D=0ABcc:_x@y.example?=", "=?utf-8?b?YQ0KQmNjOiB4QHkuZXhhbXBsZQ==?=", "=?utf-8?q?a=0AFrom:_b?=" } do
		unchanged(passes(message{ fields = { { "Subject", word } } }, word))
	end
end)

case("131: a name with an encoded line end is refused, not decoded", function()
	local name = "=?utf-8?q?ceo=40bank.example=0D=0ABcc:_x@y.example?= <" .. ALICE .. ">"
	refused(message{ fields = { { "From", name } } }, "eom", "550", "5.7.1")
end)

case("131: folded lines are kept", function()
	unchanged(passes(message{ fields = { { "Subject", "a\n\tb\n c" }, { "X-Odd", "\n folded" } } }))
end)

case("131: bare CR and LF in a value are refused", function()
	for _, value in ipairs{ "a\rb", "a\nb", "a\nBcc: x@y.example", "a\r\nBcc: x@y.example", "\rFrom: " .. BOB, "a\r", "a\n" } do
		refused(message{ fields = { { "Subject", value } } }, "eom", "550", "5.6.0", (value:gsub("%c", "?")))
	end
end)

finish()
