-- Case 136: UTF-8 in a field needs SMTPUTF8, and must be UTF-8.
-- senders: alice@home.example alice@home.example @xn--mnchen-3ya.example
dofile("session.lua")

case("136: without SMTPUTF8", function()
	refused(message{ fields = { { "Subject", "caf\195\169" } } }, "eom", "550", "5.6.7")
	refused(message{ fields = { { "Subject", "caf\233" } } }, "eom", "550", "5.6.7")
	if message{ fields = { { "From", "x@m\195\188nchen.example" } } }.code ~= SMFIR_REPLYCODE then
		error("a UTF-8 address passed")
	end
end)

case("136: with SMTPUTF8", function()
	passes(message{ parameters = { "SMTPUTF8" }, fields = { { "Subject", "caf\195\169" } } })
	passes(message{ parameters = { "SMTPUTF8" }, fields = { { "From", "x@m\195\188nchen.example" } } })
	refused(message{ parameters = { "SMTPUTF8" }, fields = { { "Subject", "caf\233" } } }, "eom", "550", "5.6.7")
	refused(message{ parameters = { "SMTPUTF8" }, fields = { { "Subject", "a\237\160\128b" } } }, "eom", "550", "5.6.7", "surrogate")
	refused(message{ parameters = { "SMTPUTF8" }, fields = { { "Subject", "a\192\175b" } } }, "eom", "550", "5.6.7", "overlong")
end)

case("136: U-label and A-label are one domain", function()
	passes(message{ sender = "<y@xn--mnchen-3ya.example>", fields = { { "From", "x@xn--mnchen-3ya.example" } } })
	refused(message{ parameters = { "SMTPUTF8" }, fields = { { "From", "x@m\195\188nchen2.example" } } }, "eom", "550", "5.7.1")
end)

case("136: the field's name", function() refused(message{ fields = { { "X-\195\164", "v" } } }, "eom", "550", "5.6.0") end)

finish()
