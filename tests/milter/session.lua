-- What the scripts here share; miltertest(8) speaks with a postern-milter that tests/milter/run has started.
--
--	case("name", function() ... end)	one line of the report
--	s = session{ login = "alice@home.example" }
--	r = s:message{ sender = "<alice@home.example>", fields = { { "From", "alice@home.example" } } }
--	refused(r, "eom", "550", "5.7.1")
--
-- A reply is { stage = "rcpt" or "eom", code = SMFIR_..., conn }.

ALICE = "alice@home.example"
BOB = "bob@home.example"

local failures = 0

function case(name, run)
	local ok, why = pcall(run)
	if ok then
		mt.echo("ok      " .. name)
	else
		failures = failures + 1
		mt.echo("FAILED  " .. name .. ": " .. tostring(why))
	end
end

function finish()
	os.exit(failures == 0 and 0 or 1)
end

-- The last decision in the milter's log, which is written before its reply. (eom_check(MT_SMTPREPLY) would want the whole text.)
local function decision()
	local last = ""
	for line in io.lines(log) do
		if line:find(": reject: ", 1, true) or line:find(": tempfail: ", 1, true) then
			last = line
		end
	end
	return last
end

local function must(why, what)
	if why ~= nil then
		error(what .. ": " .. why, 3)
	end
end

local Session = {}
Session.__index = Session

-- Of a client at `address` (default 192.0.2.50), with a login or none.
function session(of)
	of = of or {}
	local conn = mt.connect(socket, 20, 0.1)
	if conn == nil then
		error("cannot connect to " .. socket, 2)
	end
	must(mt.conninfo(conn, "client.example", of.address or "192.0.2.50"), "connect")
	return setmetatable({ conn = conn, login = of.login }, Session)
end

function Session:mail(sender, ...)
	if self.login then
		mt.macro(self.conn, SMFIC_MAIL, "i", "TESTID", "{auth_authen}", self.login)
	else
		mt.macro(self.conn, SMFIC_MAIL, "i", "TESTID")
	end
	must(mt.mailfrom(self.conn, sender, ...), "MAIL")
	return mt.getreply(self.conn)
end

function Session:rcpt(recipient, mailer)
	mt.macro(self.conn, SMFIC_RCPT, "i", "TESTID", "{rcpt_mailer}", mailer or "postern")
	must(mt.rcptto(self.conn, recipient), "RCPT")
	return mt.getreply(self.conn)
end

-- The usual fields unless `given` has them or names them in `without`.
local function with_usual(given, without)
	local there, fields = {}, {}
	for _, field in ipairs(given) do
		there[field[1]:lower()] = true
	end
	for _, name in ipairs(without or {}) do
		there[name:lower()] = true
	end
	for _, field in ipairs{ { "From", ALICE }, { "Date", "Sat, 21 Nov 2026 10:00:00 +0000" }, { "Message-ID", "<1@home.example>" } } do
		if not there[field[1]:lower()] then
			fields[#fields + 1] = field
		end
	end
	for _, field in ipairs(given) do
		fields[#fields + 1] = field
	end
	return fields
end

function Session:content(of)
	for _, field in ipairs(with_usual(of.fields or {}, of.without)) do
		must(mt.header(self.conn, field[1], field[2]), "header " .. field[1]:sub(1, 40))
	end
	if not mt.test_option(self.conn, SMFIP_NOEOH) then
		must(mt.eoh(self.conn), "end of header")
	end
	if not mt.test_option(self.conn, SMFIP_NOBODY) then
		must(mt.bodystring(self.conn, of.body or "hello\r\n"), "body")
	end
	must(mt.eom(self.conn), "end of message")
	return mt.getreply(self.conn)
end

-- of: sender, parameters, to, mailer, fields, without, body.
function Session:message(of)
	local reply = self:mail(of.sender or "<" .. ALICE .. ">", table.unpack(of.parameters or {}))
	if reply ~= SMFIR_CONTINUE then
		return { stage = "mail", code = reply, conn = self.conn }
	end
	for _, recipient in ipairs(of.to or { "<you@postfix.example>" }) do
		reply = self:rcpt(recipient, of.mailer)
		if reply ~= SMFIR_CONTINUE then
			mt.abort(self.conn)
			return { stage = "rcpt", code = reply, conn = self.conn }
		end
	end
	return { stage = "eom", code = self:content(of), conn = self.conn }
end

function Session:finish()
	mt.disconnect(self.conn)
end

-- One message in a session of its own (left open, for eom_check).
function message(of)
	return session{ login = of.login == nil and ALICE or of.login or nil, address = of.address }:message(of)
end

function passes(r, what)
	if r.stage ~= "eom" or (r.code ~= SMFIR_CONTINUE and r.code ~= SMFIR_ACCEPT) then
		error((what or "message") .. " was refused at " .. r.stage .. " (" .. string.char(r.code) .. ")", 2)
	end
	return r
end

function refused(r, stage, code, status, what)
	what = what or "message"
	if r.stage ~= stage or r.code ~= SMFIR_REPLYCODE then
		error(what .. " was not refused at " .. stage .. ", but at " .. r.stage .. " (" .. string.char(r.code) .. ")", 2)
	end
	if code and not decision():find("said=" .. code .. " " .. status .. " ", 1, true) then
		error(what .. " was not refused with " .. code .. " " .. status .. ": " .. decision(), 2)
	end
	return r
end

function changed(r, op, name, value)
	local found
	if value then
		found = mt.eom_check(r.conn, op, name, value)
	else
		found = mt.eom_check(r.conn, op, name)
	end
	if not found then
		error("no such change of " .. name, 2)
	end
end

function unchanged(r)
	for _, op in ipairs{ MT_HDRADD, MT_HDRCHANGE, MT_HDRDELETE, MT_HDRINSERT, MT_BODYCHANGE } do
		if mt.eom_check(r.conn, op) then
			error("the message was changed", 2)
		end
	end
end
