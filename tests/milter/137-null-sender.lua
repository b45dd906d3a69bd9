-- Case 137: the null reverse-path is for the configured classes; From still counts; envelope and From may be asked to agree.
-- conf: from_domain = "reject";
-- senders: alice@home.example alice@home.example alice@other.example
-- senders: bob@home.example bob@home.example <>
dofile("session.lua")

local REPORT = "multipart/report; report-type=delivery-status; boundary=x"

case("137: ordinary mail", function() refused(message{ sender = "<>" }, "eom", "550", "5.7.1") end)
case("137: report, auto-reply, notification", function()
	passes(message{ sender = "<>", fields = { { "Content-Type", REPORT } } })
	passes(message{ sender = "<>", fields = { { "Content-Type", "Multipart/Report;\n\treport-type=\"disposition-notification\"" } } })
	passes(message{ sender = "<>", fields = { { "Auto-Submitted", "auto-replied (vacation)" } } })
end)
case("137: what only resembles them", function()
	for _, field in ipairs{ { "Content-Type", "multipart/mixed; report-type=delivery-status" }, { "Content-Type", "multipart/report" },
		{ "Auto-Submitted", "no" }, { "Auto-Submitted", "" }, { "X-Content-Type", REPORT }, { "Precedence", "bulk" } } do
		refused(message{ sender = "<>", fields = { field } }, "eom", "550", "5.7.1", field[1] .. ": " .. field[2])
	end
end)
case("137: From still counts", function()
	refused(message{ sender = "<>", fields = { { "Content-Type", REPORT }, { "From", BOB } } }, "eom", "550", "5.7.1")
end)
case("137: who may use it always", function() passes(message{ login = BOB, sender = "<>", fields = { { "From", BOB } } }) end)
case("137: envelope and From of two domains", function()
	refused(message{ fields = { { "From", "alice@other.example" } } }, "eom", "550", "5.7.1")
	passes(message{ sender = "<alice@other.example>", fields = { { "From", "alice@other.example" } } })
end)

finish()
